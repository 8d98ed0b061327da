"""The arithmetic of one holder: its shares as residues, and what it sends and makes of each opening.

`ask` turns the requests of a step into masked vectors, one a number of primes; `answer` makes the requests' answers from the
opened vectors. Nothing here knows how vectors travel (`session`), and nothing is opened that a declaration does not name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, prod
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from shared_model.privacy.holder_noise import largest
from shared_model.shares.circuits.arithmetic import Arithmetic
from shared_model.shares.circuits.circuit_requests import Lift, Reduce, Request, Reveal, RevealZero, pieces
from shared_model.shares.circuits.declared_results import Declaration, Undeclared
from shared_model.shares.circuits.shared_value import Field, Value
from shared_model.shares.holder.mask_and_truncate import Masked, Masker, bits_of
from shared_model.shares.holder.share_backend import ShareBackend
from shared_model.shares.messages.opened_record import Opened
from shared_model.shares.numbers.interpolation import basis
from shared_model.shares.numbers.residues import Residues, Ring
from shared_model.shares.numbers.shared_randomness import Draws
from site_config.problems import shares as problems

LARGEST_OPENING = 1 << 27
"""Bytes of one holder's vectors in one opening, beyond which a step takes several: half of what a message may hold."""


class _Way(NamedTuple):
    """How a vector is masked; vectors of one way are masked together, which costs a fraction of one at a time."""

    kind: Literal["plain", "exact", "rounded", "lifted"]
    k: int
    bits: int = 0
    drop: int = 0


@dataclass
class _Group:
    """The vectors of one way: what they are together, and from `start` on where they lie in the vector of their number of primes."""

    values: list[Value] = field(default_factory=list)
    size: int = 0
    start: int = 0
    masked: Masked | None = None

    def add(self, value: Value) -> _Part:
        """One vector more, at the end."""
        part = _Part(self, value.shape, self.size)
        self.values.append(value)
        self.size += value.size
        return part

    def finished(self, opened: Mapping[int, Residues]) -> Residues:
        """This holder's shares of all vectors, from what was opened."""
        if self.masked is None:
            raise ValueError("the opening was not asked for")
        return self.masked.finish(opened[self.masked.ring.k][:, self.start : self.start + self.size])


@dataclass(frozen=True)
class _Part:
    """One vector of a request, and where it begins in its group."""

    group: _Group
    shape: tuple[int, ...]
    begin: int

    @property
    def place(self) -> slice:
        """Where it lies in its group."""
        return slice(self.begin, self.begin + prod(self.shape))


@dataclass(frozen=True)
class Opening:
    """What a holder sends in one step: for each number of primes one vector (k, n), and how to read what comes back."""

    vectors: Mapping[int, Residues]
    requests: tuple[Request, ...]
    parts: tuple[tuple[_Part, ...], ...]
    groups: Mapping[_Way, _Group]

    def results(self, vectors: Mapping[int, Residues]) -> dict[int, Residues]:
        """Of `vectors` (this opening's, or what came back) what belongs to revealed results, by number of primes."""
        of_results = {way: group for way, group in self.groups.items() if way.kind == "plain"}
        places: dict[int, list[slice]] = {}
        for way, group in of_results.items():
            places.setdefault(way.k, []).append(slice(group.start, group.start + group.size))
        return {k: np.concatenate([vectors[k][:, place] for place in places[k]], axis=1) for k in sorted(places)}


class ShareArithmetic(Arithmetic):
    """Runs circuits on one holder's shares.

    draws: the streams of opening `number` (or of the uniform secrets numbered so, label "random"). record: results revealed
    in earlier attempts, which are answered from there. opened: called with each new result before the circuit gets it. noise: this
    holder's shares of the sum of all holders' noise, by result.

    openings: how many there were. distance: by how much, summed over all numbers opened under bounded masks, what t holders
    and the coordinator saw may differ (statistical distance) between two cohorts with the same results.
    """

    def __init__(
        self,
        declaration: Declaration,
        masker: Masker,
        backend: ShareBackend,
        draws: Callable[[str, int], Draws],
        record: Mapping[str, Opened],
        opened: Callable[[Opened], None],
        noise: Mapping[str, Residues] = MappingProxyType({}),
    ) -> None:
        super().__init__(backend, declaration)
        self._noise, self._noised = noise, set[str]()
        self.masker, self.rings = masker, backend.rings
        self.units = masker.sharing.n_groups // 2 + 1
        self.openings = 0
        self.distance = 0.0
        self._draws, self._record, self._opened = draws, record, opened
        self._randoms = 0

    def secret(self, shares: Residues, bound: float, *, fraction: int = 0, field: Field = Field.MAIN) -> Value:
        """This holder's shares, (k, *S), as a Value."""
        return Value(self.backend, shares, shares.shape[1:], fraction, bound, field)

    def random(self, shape: tuple[int, ...]) -> Value:
        """Uniform secrets that nobody knows; every holder asks for them in the same order."""
        self._randoms += 1
        ring = self.rings[Field.MAIN]
        shares = self.masker.random(ring, prod(shape), self._draws("random", self._randoms))
        return Value(self.backend, shares.reshape(ring.k, *shape), shape, 0, inf)

    def noise(self, name: str) -> Value:
        """This holder's shares of the sum of all holders' noise."""
        result = self.declaration.results[name]
        self._noised.add(name)
        return self.secret(self._noise[name], self.masker.sharing.m * largest(result), fraction=result.bits)

    def weights_at(self, sums: Value, u: Value, w: Value) -> Value:
        """A public linear combination of the power sums alone."""
        ring = self.rings[sums.field]
        flat = cast("Residues", sums.data).reshape(ring.k, len(sums), -1)
        data = ring.matmul(basis(len(sums) - 1, ring.primes), flat)
        return sums.like(data.reshape(ring.k, *sums.shape), sums.shape)

    async def reveal(self, name: str, x: Value, bits: int) -> NDArray[np.float64]:
        """Open a declared result, or answer it from the record of an earlier attempt (nothing is computed then)."""
        return self._recorded(name, x, bits) if name in self._record else await super().reveal(name, x, bits)

    async def reveal_zero(self, name: str, *factors: Value) -> NDArray[np.bool_]:
        """Open whether one of the factors is zero, or answer it from the record."""
        return self._recorded(name, factors[0], 0, bit=True) if name in self._record else await super().reveal_zero(name, *factors)

    def _recorded(self, name: str, x: Value, bits: int, *, bit: bool = False) -> NDArray[Any]:
        self._permit(name, x, bits, bit=bit)
        self.once(name)
        found = self._record[name]
        if (found.shape, found.bits, found.bit) != (x.shape, bits, bit):
            raise Undeclared(f"{name} was revealed with another shape or grid")
        return found.numbers()

    # one step

    def batches(self, requests: Sequence[Request]) -> list[list[Request]]:
        """A step's requests as they are sent: together, or in several openings where one would exceed `LARGEST_OPENING` bytes.

        Products of one request are parted then (`Answers` puts them together again). Sizes are public, so all holders part alike.
        """
        sizes = [self._bytes(request) for request in requests]
        if sum(sizes) <= LARGEST_OPENING:
            return [list(requests)]
        found: list[list[Request]] = [[]]
        room = LARGEST_OPENING
        for piece in (piece for request in requests for piece in pieces(request)):
            size = self._bytes(piece)
            if found[-1] and size > room:
                found.append([])
                room = LARGEST_OPENING
            found[-1].append(piece)
            room -= size
        return found

    def _bytes(self, request: Request) -> int:
        """What a request's vectors take in a frame; a result's numbers are few."""
        match request:
            case Reduce(parts, fractions):
                return sum(4 * x.size * self._reducing(x, bits).k for x, bits in zip(parts, fractions, strict=True))
            case Lift(x):
                return 4 * x.size * self.rings[Field.COUNT].k
            case _:
                return 0

    def ask(self, requests: Sequence[Request]) -> Opening:
        """The masked vectors that answer all requests of a step at once."""
        self.openings += 1
        draws = self._draws("opening", self.openings)
        groups: dict[_Way, _Group] = {}
        parts = tuple(tuple(groups.setdefault(way, _Group()).add(value) for value, way in self._ways(request)) for request in requests)
        sent: dict[int, list[Residues]] = {}
        sizes: dict[int, int] = {}
        for way, group in groups.items():
            group.masked = self._masked(way, group, draws)
            self.distance += group.size * group.masked.distance
            k = group.masked.ring.k
            group.start = sizes.get(k, 0)
            sizes[k] = group.start + group.size
            sent.setdefault(k, []).append(group.masked.sent)
        vectors = {k: np.concatenate(sent[k], axis=1) for k in sorted(sent)}
        return Opening(vectors, tuple(requests), parts, groups)

    def answer(self, opening: Opening, opened: Mapping[int, Residues]) -> list[Any]:
        """The answers to the requests, from the opened vectors."""
        finished = {id(group): group.finished(opened) for group in opening.groups.values()}
        answers = []
        for request, parts in zip(opening.requests, opening.parts, strict=True):
            found = [finished[id(part.group)][:, part.place] for part in parts]
            results = [data.reshape(len(data), *part.shape) for data, part in zip(found, parts, strict=True)]
            answers.append(self._answer(request, results))
        return answers

    def reveals(self, requests: Sequence[Request]) -> bool:
        """Whether a step opens a result, so that everything before it has to be checked first."""
        return any(isinstance(request, Reveal | RevealZero) for request in requests)

    def _ways(self, request: Request) -> list[tuple[Value, _Way]]:
        """A request's vectors, each with the way it is masked."""
        match request:
            case Reduce(parts, fractions):
                return [(x, self._reducing(x, bits)) for x, bits in zip(parts, fractions, strict=True)]
            case Lift(x):
                return [(x, _Way("lifted", self.rings[Field.COUNT].k, bits_of(x.bound)))]
            case Reveal(name, x, _):
                self._first(name)
                if self.declaration.results[name].noise and name not in self._noised:
                    raise Undeclared(f"{name} would be opened without its noise")
                return [(x, _Way("plain", _smallest(self.rings[Field.MAIN], bits_of(x.bound * 2.0**x.fraction) + 2).k))]
            case RevealZero(name, x):
                self._first(name)
                return [(x, _Way("plain", self.rings[x.field].k))]

    def _masked(self, way: _Way, group: _Group, draws: Draws) -> Masked:
        """All vectors of a way, masked as one."""
        # of results and of zero tests only the planes that travel
        planes = [_flat(x)[: way.k] if way.kind == "plain" else _flat(x) for x in group.values]
        flat = np.concatenate(planes, axis=1) if len(planes) > 1 else planes[0]
        match way.kind:
            case "plain":
                return self.masker.plain(flat, self.rings[Field.MAIN].first(way.k), draws)
            case "lifted":
                return self.masker.lifted(flat, max(x.bound for x in group.values), self.rings[Field.COUNT], draws)
            case "rounded":
                return self.masker.rounded(flat, max(x.bound * 2.0**x.fraction for x in group.values), way.drop, draws)
            case "exact":
                return self.masker.exact(flat, self.rings[group.values[0].field], draws)

    def _first(self, name: str) -> None:
        """A name is opened once, whatever a circuit asks; it must be declared however the request was made."""
        if name not in self.declaration.results:
            raise Undeclared(f"{name} is not a declared result")
        self.once(name)

    def _reducing(self, x: Value, fraction: int) -> _Way:
        ring = self.rings[x.field]
        units = x.bound * 2.0**x.fraction
        if fraction < x.fraction:
            return _Way("rounded", ring.k, bits_of(units), x.fraction - fraction)
        if x.field is Field.MAIN and x.bound < inf:
            k = self.masker.fits(units)
            if k is not None and k < ring.k:
                return _Way("rounded", k, bits_of(units))
        return _Way("exact", ring.k)

    def _answer(self, request: Request, results: list[Residues]) -> Any:
        match request:
            case Reduce(parts, fractions):
                return tuple(self._fresh(x, data, bits) for x, data, bits in zip(parts, results, fractions, strict=True))
            case Lift(x):
                return Value(self.backend, results[0], x.shape, 0, x.bound)
            case Reveal(name, x, bits):
                return self._tell(name, x, bits, results[0])
            case RevealZero(name, x):
                zero = ~results[0].any(axis=0)
                opened = Opened(name, x.shape, 0, tuple(int(v) for v in zero.reshape(-1)), bit=True)
                self._opened(opened)
                return opened.numbers()

    def _fresh(self, x: Value, data: Residues, fraction: int) -> Value:
        bound = x.bound + (self.units * 2.0**-fraction if fraction < x.fraction else 0.0)
        return x.like(data, x.shape, bound=bound, fraction=fraction, degree=1)

    def _tell(self, name: str, x: Value, bits: int, data: Residues) -> NDArray[np.float64]:
        """The opened integers, refused where they lie beyond what was declared."""
        units = tuple(int(v) for v in self.rings[Field.MAIN].first(data.shape[0]).signed(data).reshape(-1))
        most = min(x.bound, self.declaration.results[name].largest) * 2.0**bits + self.units
        if any(abs(unit) > most for unit in units):
            raise problems.OPENED_OUT_OF_RANGE.problem(f"{name} opens to a number beyond its declared range")
        opened = Opened(name, x.shape, bits, units)
        self._opened(opened)
        return cast("NDArray[np.float64]", opened.numbers())


def _flat(x: Value) -> Residues:
    data = cast("Residues", x.data)
    return np.broadcast_to(data, (data.shape[0], *x.shape)).reshape(data.shape[0], x.size)


def _smallest(ring: Ring, bits: int) -> Ring:
    k = next((k for k in range(1, ring.k + 1) if ring.first(k).room >= bits), None)
    if k is None:
        raise problems.RANGE_REFUSED.problem(f"a result of {bits} bits does not fit {ring.room}")
    return ring.first(k)
