"""Every category of data that leaves a hospital in a study: read from what, how many numbers and how often, in which form, for whom."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil

from client.release.release_preview import dimension
from client.release.site_policy import expected_statistics
from shared_model.analyses.analysis_plan import computed_phases, plan_of
from shared_model.analyses.phases.earlier_results import every_score
from shared_model.analyses.phases.evaluation_openings import EvaluationModel
from shared_model.statistics.day_grids import training_cuts
from shared_model.statistics.statistic_declaration import REGISTRY
from shared_model.statistics.statistic_parameters import PreCounts, TrainingStart
from shared_model.statistics.vector_segments import of_precounts
from site_config.study.plan_and_lock import Phase, StudyLock
from site_config.study.prognostic_models import MODELS
from site_config.words_of_messages import plural

NOTHING = "nothing of a patient"
PLAIN = "readable"
BLINDED = "blinded: only the sum over a whole block can be read"
RIDES = 8
"""Single numbers that ride with a model update beside the hazard sums: counts, largest sizes, scores."""
TITLES: Mapping[str, str] = {
    "precounts": "Counts: patients, deaths, patient flow",
    "training.start": "Deaths and days of follow-up in each time interval",
    "training.hazard": "Risk sums in each time interval, at the first model",
    "training.update": "Model updates: how the network should change for these patients, and their risk sums",
    "validation.loss": "How well the network fits the validation patients (one number), and their counts",
}
"""The common statistics in an officer's words; the others have their own title."""


@dataclass(frozen=True)
class Leaving:
    """One category that leaves. numbers: how many and how often, in words; total: of this hospital in the whole study, None unknown."""

    what: str
    read_from: str
    numbers: str
    form: str
    reader: str
    total: int | None = 0


def categories(lock: StudyLock, site: str) -> list[Leaving]:
    """Every category of data that can leave this hospital in this study."""
    role = lock.entry(site).role
    form = BLINDED if lock.study.privacy.masks else "readable"
    reader = "of one hospital: nobody alone; of the sum: the coordinator" if lock.study.privacy.masks else "the coordinator"
    found = [
        Leaving("Name, software and public keys of the hospital", NOTHING, "a few entries, at each start", PLAIN, "coordinator"),
        Leaving(
            "Sign of life: connected, in which phase, program stands still", NOTHING, "a sign every 10 to 25 seconds", PLAIN, "coordinator"
        ),
        Leaving(
            "Device, seconds a step, free disk (to a power of two), scans prepared",
            NOTHING,
            "a few entries, at each start",
            PLAIN,
            "coordinator",
        ),
        Leaving("Numbers of refusals (FH-…)", "nothing that depends on one patient", "one a refusal", PLAIN, "coordinator"),
        Leaving(
            "That this hospital approves, stops or leaves; that patients joined or withdrew (not who, not how many)",
            "that the list of patients changed",
            "one a decision",
            PLAIN,
            "coordinator",
        ),
    ]
    for name in expected_statistics(lock.study, role):
        one = REGISTRY[name]
        words, total = COUNTED.get(name, _unknown)(lock, role)
        found.append(Leaving(TITLES.get(name, one.title), one.reads, words, form, reader, total))
    if lock.holders:
        found.append(_shared(lock))
    return found


def total_line(found: list[Leaving], lock: StudyLock) -> str:
    """How many numbers that depend on patients leave in all, in a sentence."""
    total = sum(one.total or 0 for one in found)
    rest = ", and those of the results named “by the days” above" if any(one.total is None for one in found) else ""
    parts = ", and beside them the parts of rows in the last line" if lock.holders else ""
    form = "each blinded" if lock.study.privacy.masks else "readable by the coordinator"
    return f"In all, {in_words(total)} that depend on patients leave this hospital in the whole study, {form}{rest}{parts}."


def in_words(count: int) -> str:
    """A number of numbers, large ones rounded to three digits.

    >>> in_words(1), in_words(1234), in_words(25_911_000_000)
    ('1 number', '1,234 numbers', 'about 25,900 million numbers')
    """
    if count < 1_000_000:
        return plural(count, "number")
    millions = count / 1e6
    rounded = f"{float(f'{millions:.3g}'):,.0f}" if millions >= 100 else f"{millions:.3g}"
    return f"about {rounded} million numbers"


Counted = Callable[[StudyLock, str], tuple[str, int | None]]


def _unknown(_lock: StudyLock, _role: str) -> tuple[str, None]:
    return "by the days and groups that are found", None


def _precounts(lock: StudyLock, role: str) -> tuple[str, int]:
    columns = () if lock.holders else tuple(one.name for one in lock.study.design)
    splits = ("test",) if role == "evaluation" else ("train", "validation") if lock.study.validation_fraction else ("train",)
    one = sum(segment.size for segment in of_precounts(PreCounts(split="train", columns=columns)))
    return f"{one} a set of patients, {plural(len(splits), 'set')}", one * len(splits)


def _networks(lock: StudyLock) -> tuple[str, ...]:
    return MODELS.networks(lock.study.models)


def _start(lock: StudyLock, _role: str) -> tuple[str, int]:
    cuts = training_cuts(lock.study.training)
    one = sum(segment.size for segment in REGISTRY["training.start"].segments(TrainingStart(cut_days=cuts)))
    return f"{one} a network, once", one * len(_networks(lock))


def _hazard(lock: StudyLock, _role: str) -> tuple[str, int]:
    one = 2 * (len(training_cuts(lock.study.training)) + 1) + 2
    times = 1 if lock.study.training.hazard == "carried" else lock.study.training.rounds
    return f"{one} a network, " + ("once" if times == 1 else f"{times:,} times"), one * times * len(_networks(lock))


def _update(lock: StudyLock, _role: str) -> tuple[str, int]:
    turns = ceil(lock.study.training.rounds / max(len(lock.blocks["development"]), 1))
    rides = len(training_cuts(lock.study.training)) + 1 + RIDES
    sizes = [dimension(lock, name) + rides for name in _networks(lock)]
    said = "; ".join(f"{name}: {in_words(size)} a turn" for name, size in zip(_networks(lock), sizes, strict=True))
    blocks = len(lock.blocks["development"])
    why = f", because {blocks} blocks take turns in {lock.study.training.rounds:,} rounds" if blocks > 1 else ""
    return f"{said}; {plural(turns, 'turn')} each{why}", turns * sum(sizes)


def _loss(lock: StudyLock, _role: str) -> tuple[str, int]:
    checks = ceil(lock.study.training.rounds / lock.study.training.validate_every)
    return f"3 a check, {plural(checks, 'check')} a network", 3 * checks * len(_networks(lock))


COUNTED: Mapping[str, Counted] = {
    "precounts": _precounts,
    "training.start": _start,
    "training.hazard": _hazard,
    "training.update": _update,
    "validation.loss": _loss,
}


def _shared(lock: StudyLock) -> Leaving:
    who = f"nobody alone; {lock.collusion + 1} holders together (5)"
    form = f"cut into {len(lock.holders)} parts, one sealed to each holder"
    phases = computed_phases(lock)
    if lock.study.privacy.dp is not None:
        return Leaving("Counts of patients as parts", "days, deaths, levels of Table 1", "once for the evaluation", form, who)
    often = f"about {float(f'{row_width(lock):.2g}'):,.0f} a patient, in each of {plural(len(phases), 'phase')} ({', '.join(phases)}), "
    often += f"filled up to {lock.study.shares.slots} patients so that their number does not show"
    table = ", response class, scanner's maker" if lock.study.reads_scans else ""
    reads = f"days, deaths, clinical columns, scores, groups, sex and age for Table 1{table}"
    return Leaving("Patients' rows as parts", reads, often, form, who)


def row_width(lock: StudyLock) -> int:
    """Numbers of a patient's row in the widest phase: most are noughts and a one that say a day or a level."""
    phases: tuple[Phase, ...] = computed_phases(lock)
    evaluation = sum(part.width for part in EvaluationModel(lock.study, every_score(lock.study)).parts)
    first = [sum(part.width for part in plan_of(lock, phase, {}).parts) for phase in phases if phase in ("admission", "clinical")]
    return max(evaluation, *first, 0)
