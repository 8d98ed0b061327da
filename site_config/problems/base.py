"""Numbered problems: what happened, why, and the one next command.

Every fault a person can meet is one `Kind` in `site_config.problems`; raising it makes a `Problem`. The command line
prints its lines and exits with its status; `--json` gives the same as data; only `code` ever leaves a hospital.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum


class Exit(IntEnum):
    """Exit statuses of the three commands."""

    OK = 0
    FINDINGS = 1
    USAGE = 2
    CONFIGURATION = 10
    CONTENT = 11
    ACCESS = 12
    IDENTITY = 13
    REFUSED = 14
    STALLED = 15
    INTERNAL = 16
    INTERRUPTED = 130


@dataclass(frozen=True)
class Kind:
    """One numbered problem: its page, its default cause and remedy, and the exit status it leads to.

    `why` and `fix` are the general texts of the page; `problem` may replace them by texts that fit the case.
    `leaves`: a hospital may send this number, because it depends on what the coordinator knows already and on no patient; any
    other becomes SITE_CANNOT_RELEASE. None of the texts ever holds a patient's name, id, UID or the path of a patient's file.
    """

    code: int
    name: str
    title: str
    why: str
    fix: str
    exit: Exit = Exit.CONFIGURATION
    leaves: bool = False

    @property
    def label(self) -> str:
        """The code as people quote it, `FH-204`."""
        return f"FH-{self.code}"

    def problem(self, what: str, *, why: str | None = None, fix: str | None = None, where: str | None = None) -> Problem:
        """A `Problem` of this kind; `where` is a file's role with line, row or field, never a patient's path."""
        return Problem(self, what, why or self.why, fix or self.fix, where)


@dataclass(eq=False)
class Problem(Exception):
    """A fault with its number, what happened, why, the one next command, and where."""

    kind: Kind
    what: str
    why: str
    fix: str
    where: str | None = None
    others: tuple[Problem, ...] = field(default=())

    def __post_init__(self) -> None:
        self.add_note(f"fix: {self.fix}")  # Python shows it below the last line of a traceback

    @property
    def code(self) -> str:
        """The code as people quote it, `FH-204`."""
        return self.kind.label

    def __str__(self) -> str:
        place = f" ({self.where})" if self.where else ""
        return f"{self.code} {self.what}{place}"

    def as_dict(self) -> dict[str, object]:
        """The problem as `--json` shows it; other problems found in the same pass stand under `others`."""
        return {
            "code": self.code,
            "name": self.kind.name,
            "what": self.what,
            "why": self.why,
            "fix": self.fix,
            "where": self.where,
            "others": [other.as_dict() for other in self.others],
        }


def together(problems: list[Problem]) -> Problem:
    """The first of several problems, carrying the rest: all faults of a file are reported at once."""
    first, *rest = problems
    return Problem(first.kind, first.what, first.why, first.fix, first.where, tuple(rest))
