"""What a circuit can wait for: each request is answered by one opening, and all requests of one step share that opening.

A circuit is `async def circuit(a, …)`; awaiting a request hands it to whoever drives the circuit, who answers all requests of
a step at once.

    run = Run(circuit)
    while not run.done:
        run.advance(answers_to(run.pending))
    run.result
"""

from __future__ import annotations

from collections.abc import Awaitable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar, cast

from shared_model.shares.circuits.shared_value import Value


class _Request:
    """Common to all requests: to await one is to hand it to the driver and to come back with its answer."""

    def __await__(self) -> Generator[tuple[Request, ...], tuple[Any, ...], Any]:
        (answer,) = yield (cast("Request", self),)
        return answer


@dataclass(frozen=True, eq=False)
class Reduce(_Request):
    """Products (or sharings) to fresh sharings with at most the fractions given; answered by a tuple of Values.

    Where the fraction stays the mask is uniform and nothing is rounded; where it falls the value must lie in the room.
    """

    parts: tuple[Value, ...]
    fractions: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Lift(_Request):
    """Small integers of the counting field (degree 1 or 2) to the main one; answered by a Value of degree 1."""

    value: Value


@dataclass(frozen=True, eq=False)
class Reveal(_Request):
    """A declared result is opened; `value` has exactly `bits` fractional bits. Answered by a float64 array."""

    name: str
    value: Value
    bits: int


@dataclass(frozen=True, eq=False)
class RevealZero(_Request):
    """Opens secret · (fresh uniform secret), so nothing but whether it is zero; `value` is that product. Answered by a bool array."""

    name: str
    value: Value


Request: TypeAlias = Reduce | Lift | Reveal | RevealZero

T = TypeVar("T")


def pieces(request: Request) -> tuple[Request, ...]:
    """A request by its products, one each; what opens a result stays whole."""
    if not isinstance(request, Reduce):
        return (request,)
    return tuple(Reduce((part,), (bits,)) for part, bits in zip(request.parts, request.fractions, strict=True))


class Answers:
    """Answers to a step's requests, however these were parted into pieces."""

    def __init__(self, requests: Sequence[Request]) -> None:
        self._requests = requests
        self._found: list[Any] = []

    def add(self, answers: Sequence[Any]) -> None:
        """The answers to the next pieces, or to whole requests, in their order."""
        self._found += answers

    def whole(self) -> list[Any]:
        """One answer a request."""
        left, joined = iter(self._found), []
        for request in self._requests:
            answer = next(left)
            while isinstance(request, Reduce) and len(answer) < len(request.parts):
                answer = (*answer, *next(left))
            joined.append(answer)
        return joined


class Run(Generic[T]):
    """A circuit between two openings: `pending` requests, or `done` with its `result`."""

    def __init__(self, circuit: Awaitable[T]) -> None:
        self._steps = cast("Generator[tuple[Request, ...], tuple[Any, ...], T]", circuit.__await__())
        self.pending: tuple[Request, ...] = ()
        self.done = False
        self._result: T | None = None
        self._go(None)

    @property
    def result(self) -> T:
        """What the circuit returned."""
        if not self.done:
            raise RuntimeError("the circuit has not ended")
        return cast("T", self._result)

    def advance(self, answers: Sequence[Any]) -> None:
        """Go on with the answers to `pending`, in their order."""
        if len(answers) != len(self.pending):
            raise ValueError(f"{len(answers)} answers to {len(self.pending)} requests")
        self._go(tuple(answers))

    def close(self) -> None:
        """End a circuit that is not driven further."""
        self._steps.close()

    def _go(self, answers: tuple[Any, ...] | None) -> None:
        try:
            self.pending = next(self._steps) if answers is None else self._steps.send(answers)
        except StopIteration as end:
            self.pending, self.done, self._result = (), True, end.value


class Together(Generic[T]):
    """Several circuits or requests advanced side by side; answered by the list of their results."""

    def __init__(self, circuits: Sequence[Awaitable[T]]) -> None:
        self._circuits = circuits

    def __await__(self) -> Generator[tuple[Request, ...], tuple[Any, ...], list[T]]:
        runs = [Run(circuit) for circuit in self._circuits]
        while not all(run.done for run in runs):
            answers = yield tuple(request for run in runs for request in run.pending)
            at = 0
            for run in runs:
                n = len(run.pending)
                if n:
                    run.advance(answers[at : at + n])
                at += n
        return [run.result for run in runs]


def together(*circuits: Awaitable[T]) -> Together[T]:
    """Run circuits side by side: all their openings of one step are one message."""
    return Together(circuits)
