"""One finding a question, and all of them together as an exit status, a table, data and a page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from site_config.problems.base import Problem

State = Literal["ok", "look", "wrong", "not asked"]
WORDS: dict[State, str] = {"ok": "ok", "look": "LOOK", "wrong": "WRONG", "not asked": "–"}


@dataclass(frozen=True)
class DoctorFinding:
    """The answer to one question: `look` is worth a person's look and stops nothing, `wrong` stops a study. `fix` is the next step."""

    name: str
    state: State
    words: str
    fix: str = ""
    code: str = ""


def wrong(name: str, problem: Problem) -> DoctorFinding:
    """A problem as a finding."""
    return DoctorFinding(name, "wrong", problem.what, problem.fix, problem.code)


Answer = str | DoctorFinding | Sequence[DoctorFinding]


@dataclass
class Checkup:
    """Findings in the order in which they were asked."""

    title: str
    findings: list[DoctorFinding] = field(default_factory=list)

    def check(self, name: str, question: Callable[[], None], good: str) -> bool:
        """Ask a question that answers by raising a `Problem`, or not; `good` is what is said then."""

        def answer() -> str:
            question()
            return good

        return self.ask(name, answer)

    def ask(self, name: str, question: Callable[[], Answer]) -> bool:
        """Ask one question; a text is a good answer, a `Problem` a wrong one. Whether nothing is wrong with it."""
        try:
            answer = question()
        except Problem as problem:
            found = [wrong(name, one) for one in (problem, *problem.others)]
        else:
            one = DoctorFinding(name, "ok", answer) if isinstance(answer, str) else answer
            found = [one] if isinstance(one, DoctorFinding) else list(one)
        self.findings += found
        return all(one.state != "wrong" for one in found)

    def leave_out(self, names: Iterable[str], why: str) -> None:
        """Name questions that were not asked."""
        self.findings += [DoctorFinding(name, "not asked", why) for name in names]

    @property
    def status(self) -> int:
        """0: nothing to say; 1: something to look at; 2: something is wrong."""
        states = {one.state for one in self.findings}
        return 2 if "wrong" in states else 1 if "look" in states else 0

    @property
    def verdict(self) -> str:
        """The outcome in one line."""
        found = {state: sum(one.state == state for one in self.findings) for state in WORDS}
        if not self.status:
            return f"Nothing is wrong ({found['ok']} questions)."
        return f"{found['wrong']} wrong, {found['look']} to look at, {found['ok']} ok."

    def rows(self) -> list[tuple[str, str, str]]:
        """Question, state and words with the next step, as a table of 80 columns shows them."""
        return [
            (one.name, WORDS[one.state], f"{one.code} {one.words}".strip() + (f"\n→ {one.fix}" if one.fix else "")) for one in self.findings
        ]

    def page(self, when: str) -> str:
        """One HTML page without any external resource."""
        from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

        environment = Environment(
            loader=PackageLoader("site_config"),
            undefined=StrictUndefined,
            autoescape=select_autoescape(default=True, default_for_string=True),
        )
        return environment.get_template("checkup.html.j2").render(checkup=self, when=when, words=WORDS)
