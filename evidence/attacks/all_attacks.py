"""All attacks by letter, and running them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from evidence.attacks import protocol_attacks, update_attacks
from evidence.attacks.attack_result import AttackResult, judged
from evidence.attacks.claims_about_patients import NOT_PROOF
from evidence.attacks.shares import families
from site_config.problems import host

SIZES = (207, 60, 30)
FIRST_SEED = 1
EVIDENCE_SEED = 5001
"""First seed of the recorded run: attacks were written and results chosen on seeds 1 to 40."""


@dataclass(frozen=True)
class Attack:
    """One attack: `over_cohorts` takes the number of patients and the seeds, `once` needs neither."""

    letter: str
    title: str
    over_cohorts: Callable[[int, Sequence[int]], list[AttackResult]] | None = None
    once: Callable[[], list[AttackResult]] | None = None
    sized: bool = True


ATTACKS = (
    Attack("b", "Sums that are not opened", families.attack_b),
    Attack("c", "Two rosters, late replies, partial chunks", once=protocol_attacks.attack_c),
    Attack("d", "Two studies after a join", once=protocol_attacks.attack_d),
    Attack("e", "Inversion of a one-patient update", update_attacks.attack_e),
    Attack("f", "Forged and replayed messages", once=protocol_attacks.attack_f),
    Attack("g", "Everything opened together", families.attack_g),
    Attack("h", "Score to pattern", families.attack_h),
    Attack("i", "Least squares over 200 rounds", update_attacks.attack_i, sized=False),
    Attack("j", "One site absent", once=protocol_attacks.attack_j),
    Attack("l", "Whole numbers from curves and Table 1", families.attack_l),
    Attack("m", "Groupings against each other", families.attack_m),
    Attack("n", "Mean predictions", families.attack_n),
    Attack("o", "Two generations", families.attack_o),
    Attack("p", "Steps and variances of the Cox model", families.attack_p),
    Attack("t", "The day of a known patient", families.attack_t),
)


@dataclass(frozen=True)
class Report:
    """What a run found, and the sentence that goes with it; defaults are judged together (`result.judged`)."""

    found: tuple[AttackResult, ...]
    note: str = NOT_PROOF

    @property
    def results(self) -> tuple[AttackResult, ...]:
        """Every result with its verdict in the family of all that were run."""
        return judged(self.found)

    @property
    def failing(self) -> tuple[AttackResult, ...]:
        """Defaults an attack beats, and positive controls that do not work."""
        return tuple(result for result in self.results if result.holds is False)


def chosen(only: str) -> tuple[Attack, ...]:
    """The attacks of a list such as `a,g`; all when empty. An unknown letter is a usage problem."""
    letters = [letter.strip().lower() for letter in only.split(",") if letter.strip()]
    known = {attack.letter: attack for attack in ATTACKS}
    unknown = [letter for letter in letters if letter not in known]
    if unknown:
        raise host.USAGE.problem(f"there is no attack {', '.join(unknown)}", fix=f"Choose among {', '.join(known)}.")
    return tuple(known[letter] for letter in letters) if letters else ATTACKS


@dataclass(frozen=True)
class Piece:
    """One attack at one size (0 of an attack without cohorts): the smallest part of a run that is kept."""

    attack: Attack
    n: int

    @property
    def name(self) -> str:
        """Letter and size, as a file is called."""
        return f"{self.attack.letter}-{self.n}"

    def run(self, seeds: Sequence[int]) -> list[AttackResult]:
        """Its results over the cohorts of these seeds."""
        if self.attack.once is not None:
            return self.attack.once()
        return self.attack.over_cohorts(self.n, seeds) if self.attack.over_cohorts is not None else []


def pieces(attacks: Sequence[Attack], sizes: Sequence[int]) -> Iterator[Piece]:
    """Every attack at every size that it has."""
    for attack in attacks:
        own = (0,) if attack.once is not None else sizes if attack.sized else sizes[:1]
        yield from (Piece(attack, n) for n in own)


def run(attacks: Sequence[Attack], sizes: Sequence[int], cohorts: int, first_seed: int = FIRST_SEED) -> Iterator[AttackResult]:
    """Results as they come: every attack at every size, over cohorts with consecutive seeds."""
    seeds = list(range(first_seed, first_seed + cohorts))
    for piece in pieces(attacks, sizes):
        yield from piece.run(seeds)
