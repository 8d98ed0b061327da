"""Progress of a run on the terminal: a bar a phase with time left."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from server.phases.phase_context import Event
from site_config.console import console

WORDS = {
    "phantoms": "Simulated patients and their CT",
    "slices": "Scans → segmentation → slices",
    "admission": "Admission of the hospitals",
    "clinical": "Clinical Cox model (CLN)",
    "evaluation": "Evaluation on opened sums",
    "report": "Report",
}


@contextmanager
def progress_view(*, quiet: bool = False) -> Iterator[Callable[[Event], None]]:
    """`tell` for `simulations.study.simulated_study.run`; nothing is shown when `quiet`."""
    if quiet:
        yield lambda _event: None
    elif console(stderr=True).is_terminal:
        with _bars() as tell:
            yield tell
    else:
        yield _Lines()


def _words(event: Event) -> str:
    name = WORDS.get(event.phase, event.phase[:1].upper() + event.phase[1:])
    numbers = "  ".join(f"{key} {value:.4g}" for key, value in event.numbers.items() if value == value)
    return f"{name}  {numbers}" if numbers else name


class _Lines:
    """One line when a phase begins, every tenth of it, and its end, for logs and pipes."""

    def __init__(self) -> None:
        self._started: dict[str, float] = {}
        self._tenth: dict[str, int] = {}

    def __call__(self, event: Event) -> None:
        started = self._started.setdefault(event.phase, time.monotonic())
        tenth = 10 * event.done // max(event.total, 1)
        if self._tenth.get(event.phase) == tenth:
            return
        self._tenth[event.phase] = tenth
        elapsed = time.monotonic() - started
        left = f", about {elapsed * (event.total - event.done) / event.done:.0f} s left" if 0 < event.done < event.total else ""
        console(stderr=True).print(f"{_words(event)}: {event.done}/{event.total} {event.text} ({elapsed:.0f} s{left})", highlight=False)


@contextmanager
def _bars() -> Iterator[Callable[[Event], None]]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console(stderr=True)) as progress:
        tasks: dict[str, object] = {}

        def tell(event: Event) -> None:
            if event.phase not in tasks:
                tasks[event.phase] = progress.add_task(_words(event), total=event.total)
            progress.update(tasks[event.phase], completed=event.done, total=event.total, description=_words(event))  # type: ignore[arg-type]

        yield tell
