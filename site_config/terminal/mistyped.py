"""What to type instead, where a command line lacks a word, has one too many, or has one of another kind."""

from __future__ import annotations

import click
from click.types import FloatParamType, IntParamType

MISSING = "Missing "
"""How the library begins its message for a missing word."""


def remedy(error: click.UsageError, command: click.Command, line: str) -> str | None:
    """The remedy for a mistyped command line, `line` being the program and its command; None where nothing better than --help is known."""
    what, parameter = error.format_message(), getattr(error, "param", None)
    if what.startswith(MISSING):
        return _complete(command, line, parameter)
    if "unexpected extra argument" in what:
        words = " ".join(_wanted(command, every=True))
        return f"`{line}` takes {words} and options." if words else f"`{line}` takes options alone: leave the word out."
    if "No such option" in what and "--home" in what:
        return "This command needs no folder: leave `--home` out."
    if "No such option" in what:
        return f"Options of `{line}`: {', '.join(_options(command))}."
    if isinstance(parameter, click.Option) and isinstance(parameter.type, IntParamType | FloatParamType):
        return f"Write a number without a unit: `{parameter.opts[-1]} {_example(parameter.type)}`.{_meaning(parameter)}"
    return None


def _complete(command: click.Command, line: str, missing: click.Parameter | None) -> str:
    words = f"Write `{' '.join([line, *_wanted(command)])}`."
    return words + ((_meaning(missing) if missing is not None else "") or f" What it stands for: `{line} --help`.")


def _meaning(parameter: click.Parameter) -> str:
    text = (getattr(parameter, "help", None) or "").strip()
    return f" {_name(parameter)}: {text}" if text else ""


def _name(parameter: click.Parameter) -> str:
    if isinstance(parameter, click.Option):
        return max(parameter.opts, key=len)
    return (parameter.metavar or parameter.name or "").strip("[].").upper()


def _wanted(command: click.Command, *, every: bool = False) -> list[str]:
    """What a command cannot go without, as it is typed; with `every` the arguments that it takes, options left aside."""
    arguments = [_name(one) for one in command.params if isinstance(one, click.Argument) and (every or one.required)]
    named = [one for one in command.params if isinstance(one, click.Option) and one.required and not every]
    return [*arguments, *(f"{_name(one)} {_name(one).strip('-').upper()}" for one in named)]


def _options(command: click.Command) -> list[str]:
    return [_name(one) for one in command.params if isinstance(one, click.Option) and not one.hidden]


def _example(kind: click.ParamType[object]) -> str:
    least = getattr(kind, "min", None)
    return f"{max(least or 0, 10):g}"
