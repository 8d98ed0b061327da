"""The commands that a text names: found in a command line, with `--home` again, and the nearest to a misspelt one."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import click

from site_config.words_of_messages import nearest

COMMAND = re.compile(r"`(fedhcc-(?:site|coordinator|sim)) ([a-z][^`]*)`")
"""A command in a text: program and words."""
ONE_HYPHEN = re.compile(r"-[a-z][a-z-]+$")
EXTRA = re.compile(r"unexpected extra arguments? \((.*)\)$")
FORMER = {"approve": "enrol", "explain": "heatmaps", "start": "run", "kit": "enrol", "fetch": "add"}
"""What commands were called before or are called elsewhere: taken before any spelling that is near."""
OPTIONS = ("help", "version")
"""Options of every program that people type as a command."""
OTHER_SIDE = {
    "fedhcc-coordinator": {
        "join": "fedhcc-site join",
        "check": "fedhcc-coordinator study check",
        "decline": "fedhcc-site decline",
        "prepare": "fedhcc-site data prepare",
        "egress": "fedhcc-site egress",
        "firewall": "fedhcc-site firewall",
        "pause": "fedhcc-site pause",
        "logs": "fedhcc-site logs",
    },
    "fedhcc-site": {
        "serve": "fedhcc-coordinator serve",
        "enrol": "fedhcc-coordinator enrol",
        "publish": "fedhcc-coordinator study publish",
        "lock": "fedhcc-coordinator study lock",
        "sites": "fedhcc-coordinator sites",
        "revoke": "fedhcc-coordinator revoke",
        "backup": "fedhcc-coordinator backup",
        "report": "fedhcc-coordinator report",
        "stop": "fedhcc-site pause",
        "withdraw": "fedhcc-site data withdraw",
    },
    "fedhcc-sim": {"serve": "fedhcc-coordinator serve", "join": "fedhcc-site join"},
}
"""Words that belong to another program, or to a group of this one."""


def command_at(root: click.Command, words: Sequence[str]) -> click.Command | None:
    """The command that words lead to, what follows it left aside; None where they lead nowhere."""
    here = root
    for word in words:
        if not isinstance(here, click.Group) or word.startswith("-"):
            break
        found = here.commands.get(word)
        if found is None:
            return None
        here = found
    return here


def paths(root: click.Command, before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command of a command line as the words that lead to it."""
    if isinstance(root, click.Group):
        for name, command in root.commands.items():
            if not command.hidden:
                yield from paths(command, (*before, name))
    elif before:
        yield before


def takes(command: click.Command, option: str) -> bool:
    """Whether a command has an option."""
    return any(option in parameter.opts or option in parameter.secondary_opts for parameter in command.params)


@dataclass(frozen=True)
class Typed:
    """The command line now running: program, its commands, and what `--home` was given ('' for nothing)."""

    program: str
    root: click.Command
    home: str = ""
    words: tuple[str, ...] = ()

    def misplaced(self, command: click.Command, path: str, what: str) -> str | None:
        """The remedy where `--home` or its folder stands in the wrong place, or an option has one hyphen; None for any other fault."""
        if isinstance(command, click.Group) and "--home" in what:
            return f"`--home` stands behind the command: `{path} COMMAND --home {shlex.quote(self.home or 'FOLDER')}`."
        short = next((f"-{word.partition('=')[0]}" for word in self.words if ONE_HYPHEN.match(word) and takes(command, f"-{word}")), None)
        if "No such option" in what and short:
            return f"Write it with two hyphens: `{short}`."
        extra = EXTRA.search(what)
        if extra and not self.home and takes(command, "--home") and os.path.isdir(extra[1]):  # noqa: PTH112 - a word of the command line, maybe no path at all
            return f"A folder is named by --home: `{path} --home {shlex.quote(extra[1])}`."
        return None

    def with_home(self, text: str) -> str:
        """The text's commands of this very program with `--home` again; the other side's stand as they are: its folder is elsewhere."""
        if not self.home:
            return text
        return COMMAND.sub(self._again, text)

    def _again(self, found: re.Match[str]) -> str:
        program, line = found[1], found[2]
        command = command_at(self.root, line.split()) if program == self.program and "--home" not in line else None
        if command is None or not takes(command, "--home"):
            return found[0]
        return f"`{program} {line} --home {shlex.quote(self.home)}`"

    def instead_of(self, group: click.Group, path: str, word: str) -> str:
        """The remedy for a command that does not exist: the nearest one here, in another group, at the other side; or all there are."""
        here, other = list(group.commands), OTHER_SIDE.get(self.program, {})
        every = {words: f"{self.program} {' '.join(words)}" for words in paths(self.root)}
        exact = [line for words, line in every.items() if word in (words[-1], "-".join(words), "".join(words))]
        near = FORMER[word] if FORMER.get(word) in here else nearest(word, here)
        deeper = [line for words, line in every.items() if nearest(word, [words[-1], "-".join(words)])]
        if word in OPTIONS:
            return f"It is an option: `{self.program} --{word}`."
        if word in other and other[word].startswith(self.program):
            return f"Did you mean `{other[word]}`?"
        if word in other:
            return f"That is the other side's command: `{other[word]}`. It takes that side's folder with --home."
        found = exact or ([f"{path} {near}"] if near else [])
        if not found:
            found = deeper or [other[name] for name in [nearest(word, other)] if name]
        if not found:
            return f"Commands: {', '.join(here)}."
        return f"Did you mean {' or '.join(f'`{line}`' for line in found[:3])}?"
