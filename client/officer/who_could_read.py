"""Who could read what against the rules of a study, and how many would have to act together; and the words that a folder uses."""

from __future__ import annotations

import re
from dataclasses import dataclass

from site_config.study.plan_and_lock import StudyLock
from site_config.words_of_messages import plural

NUMBERED = re.compile(r"(.*?)(\d+)")


@dataclass(frozen=True)
class Reader:
    """Who must act together to read something, and what they would read."""

    what: str
    together: str
    then: str


def readers(lock: StudyLock, site: str) -> list[Reader]:
    """One line for each kind of data, the most sensitive first."""
    found = [Reader("Images, tables and names here", "anybody who has rights on this hospital's machine", "all; as without this program")]
    if lock.holders:
        found.append(_rows(lock))
    found.append(_vector(lock, site))
    found.append(
        Reader("Sums and results that are opened", "nobody has to: the coordinator reads them, and whom it shows them", "see 4 and 6")
    )
    stranger = "when messages go and how large they are; not what they say: the line is encrypted (TLS)"
    stranger += ", and parts of rows are sealed a second time, to one holder each" if lock.holders else ""
    found.append(Reader("What is on the line", "a stranger who listens", stranger))
    return found


def _rows(lock: StudyLock) -> Reader:
    few = lock.collusion
    names = f"{few + 1} of the {len(lock.holders)} holders ({', '.join(lock.holders)}) who pool what they hold"
    alone = "one holder" if few == 1 else f"{few} holders"
    if lock.study.privacy.dp is not None:
        return Reader(
            "Counts of this hospital's patients, as parts", names, f"the counts without noise. Up to {alone} and the coordinator: nothing"
        )
    return Reader(
        "Patients' rows, as parts",
        names,
        "every row: without names, but still personal data; with the coordinator's help also from which hospital. "
        f"Up to {alone} and the coordinator together: nothing but the results of 4",
    )


def _vector(lock: StudyLock, site: str) -> Reader:
    what = "One hospital's counts and model updates"
    if not lock.study.privacy.masks:
        return Reader(what, "nobody has to: this study does not blind them, the coordinator reads them", "the numbers of each hospital")
    role = lock.entry(site).role
    sizes = sorted(len(block) for block in lock.blocks.get(role, ()) if site in block)
    others = f"the other {plural(sizes[0] - 1, 'hospital')}" if sizes else "all other hospitals"
    return Reader(what, f"the coordinator and {others} of its block, all of them", "this hospital's numbers of that sum")


def names_in_short(names: list[str]) -> str:
    """Names with runs of numbers drawn together.

    >>> names_in_short(["a-1", "a-2", "a-3", "b", "c-7"])
    'a-1 to a-3, b, c-7'
    """
    runs: list[list[str]] = []
    for name in names:
        stem, number = NUMBERED.fullmatch(name).groups() if NUMBERED.fullmatch(name) else (name, "")  # type: ignore[union-attr]
        last = NUMBERED.fullmatch(runs[-1][-1]) if runs else None
        if number and last and last[1] == stem and int(last[2]) + 1 == int(number):
            runs[-1].append(name)
        else:
            runs.append([name])
    return ", ".join(f"{run[0]} to {run[-1]}" if len(run) > 2 else ", ".join(run) for run in runs)


def glossary(lock: StudyLock) -> list[tuple[str, str]]:
    """The words of the folder that a reader may not know."""
    words = [
        ("lock", "the study's plan with its list of hospitals, signed by the coordinator; nothing outside it is answered"),
        ("score", "the risk that a model gives a patient, one number"),
        ("phase", "a step of the study: its start, the clinical model, training, joining the models (fusion), testing (evaluation)"),
        ("block", "a fixed group of hospitals whose numbers are only ever read as one sum"),
    ]
    if lock.study.privacy.masks:
        words.append(
            (
                "blinded",
                "hidden by random numbers that two hospitals each agree on and that cancel in the block's sum; commands say “masked”",
            )
        )
    words.append(("opened", "made readable"))
    if lock.holders:
        words += [
            ("part (share)", "one of several lists of random-looking numbers into which a row is cut; too few of them say nothing at all"),
            ("sealed", "encrypted so that one holder alone can open it"),
            ("holder", "a hospital that has the key to one part of every row and computes results with the other holders"),
        ]
    if lock.study.reads_scans:
        words += [
            ("network", "the program that reads CT slices and gives a score; its weights are its numbers"),
            ("round, turn, update", "in a round, the hospitals of one block (its turn) each send how the weights should change: an update"),
            ("outline", "where an organ or a tumour lies in a scan, drawn by a program here; commands say “mask”"),
        ]
    words += [
        ("minimum", "fewest patients or hospitals of which anything is opened"),
        ("C-index, AUC", "how well a score tells who dies earlier: 0.5 is guessing, 1 is always right"),
        ("calibration", "whether as many died as a model predicted"),
    ]
    if lock.study.reads_scans:
        words.append(("response class", "how the tumour answered the treatment, as the hospital noted it"))
    return [*words, ("journal", "this hospital's own list of everything that left")]
