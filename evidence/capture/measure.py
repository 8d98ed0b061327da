"""Evidence: what hospitals send, recorded in plaintext behind TLS. `python -m evidence.capture.measure`.

First a whole study of tables, in which one hospital's computations fail in every way and one leaks on purpose; then a round of a study
of phantoms in DICOM, in three versions that differ in one patient. Everything recorded, the SuperLink's database and the
coordinator's whole folder are searched for what was planted in the hospitals; the versions' traffic is compared.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from evidence.capture.canaries import LEAK, MARK, UID_MARK
from evidence.capture.compare_recordings import compare
from evidence.capture.find_planted_strings import CaptureScanner, FoundCanary
from evidence.capture.leaking_agents import FAILURES
from evidence.capture.recorded_studies import SEED, Capture, Made, another_patient, make, one_fewer, phantoms, record, tables, version
from evidence.capture.recorder import joined
from evidence.capture.traffic import RANDOM, contents, others, replies
from evidence.record import record as record_evidence

COVERS = [
    "client/program/flower_node.py",
    "client/program/site_runner.py",
    "client/program/resident_worker.py",
    "client/program/message_agent.py",
    "client/release/door.py",
    "shared_model/secure_sum/message_bytes.py",
    "shared_model/secure_sum/federation_messages.py",
    "evidence/capture",
]
PROBLEM = re.compile(r"FH-\d{3}")
SHOWN = 10


def wires(capture: Capture, scanner: CaptureScanner, sites: Iterable[str]) -> list[FoundCanary]:
    """What is found in either direction of some sites' plaintext."""
    return [
        hit
        for name in sites
        for way in (capture.sent, capture.received)
        for data in joined(way[name])
        for hit in scanner.search(name, data)
    ]


def kinds(capture: Capture) -> dict[str, int]:
    """How many messages of each kind the sites sent."""
    known = contents(capture.sent.values())
    return dict(Counter(reply.kind for pieces in capture.sent.values() for reply in replies(pieces, known)))


def searched(made: Made, capture: Capture, leaking: str | None) -> dict[str, Any]:
    """The search for what was planted in every honest site; where one leaks, the same search for its own mark."""
    secrets = [secret for name, one in made.planted.items() if name != leaking for secret in one.secrets]
    scanner = CaptureScanner([MARK, UID_MARK], secrets)
    kept, kept_bytes = scanner.folder(made.homes.coordinator)
    sent = sum(len(data) for pieces in capture.sent.values() for _, data in pieces)
    known = made.lock.study_id.encode()
    figures: dict[str, Any] = {
        "messages": kinds(capture),
        "bytes_sent_by_sites": sent,
        "bytes_kept_by_coordinator": kept_bytes,
        "planted_ids_and_pseudonyms": len(secrets),
        "found_on_the_wire": [str(hit) for hit in wires(capture, scanner, capture.sent)[:SHOWN]],
        "found_at_the_coordinator": [str(hit) for hit in kept[:SHOWN]],
        "sites_whose_recording_holds_the_study_id": sum(
            any(known in data for data in joined(capture.received[name])) for name in capture.sent
        ),
        "sites": len(capture.sent),
    }
    if leaking is not None:
        caught, name_of_it = CaptureScanner([LEAK]), CaptureScanner([leaking])
        figures["leak_caught_as"] = sorted({f"{hit.form} in {hit.through or 'the bytes'}" for hit in wires(capture, caught, [leaking])})
        kept_leak, kept_name = (one.folder(made.homes.coordinator)[0] for one in (caught, name_of_it))
        figures["leak_kept_at_the_coordinator"] = len({hit.where for hit in kept_leak})
        figures["files_at_the_coordinator_with_the_leaking_site's_name"] = len({hit.where for hit in kept_name})
    return figures


def whole_study(folder: Path) -> dict[str, Any]:
    """The study of tables with a failing and a leaking hospital."""
    made = make(folder / "tables", tables(), leaking=2)
    failing, _, leaking = made.lock.names("development")
    capture = record(made, {failing: "failing", leaking: "leaking"}, canary=False)
    codes = [entry.missing[failing] for entry in capture.result.ledger if failing in entry.missing]
    figures = searched(made, capture, leaking)
    figures |= {"label": capture.result.label, "failures_forced": len(FAILURES), "codes_of_the_failing_site": dict(Counter(codes))}
    figures["only_problem_codes"] = all(PROBLEM.fullmatch(code) for code in codes)
    return figures


def one_patient(folder: Path) -> dict[str, Any]:
    """The study of phantoms, recorded three times."""
    made = make(folder / "base", phantoms())
    changes = {"as it is": None, "another patient": another_patient, "one patient fewer": one_fewer}
    captures = {}
    figures: dict[str, Any] = {}
    for name, change in changes.items():
        one = version(made, folder / name.replace(" ", "-"), change)
        captures[name] = record(one, {}, canary=True)
        figures[name] = searched(one, captures[name], None)
        sys.stderr.write(f"{name} {figures[name]}\n")
    first = captures["as it is"]
    figures["forms_of_each_call"] = {
        call: max(len(others(pieces).get(call, ())) for pieces in first.sent.values())
        for call in sorted({call for pieces in first.sent.values() for call in others(pieces)})
    }
    for name in list(changes)[1:]:
        found = compare(first.sent, captures[name].sent)
        figures[f"{name}, against as it is"] = {
            "replies_compared": found.replies,
            "bytes_compared": found.bytes,
            "forms_of_other_requests_compared": found.calls,
            "differences": list(found.differences[:SHOWN]),
            "identical": not found.differences,
        }
        sys.stderr.write(f"{name} differs in {found.differences[:SHOWN]}\n")
    return figures


def main() -> None:
    """Record, search, compare, and write `docs/evidence/capture.json`."""
    with tempfile.TemporaryDirectory(prefix="fedhcc-capture-") as folder:
        cohorts = one_patient(Path(folder))
        study = whole_study(Path(folder))
        sys.stderr.write(f"{study}\n")
    figures = {"whole study of tables": study, "a round of phantoms in DICOM": cohorts, "replaced before comparing": RANDOM}
    record_evidence("capture", covers=COVERS, figures=figures, seeds=[SEED])


if __name__ == "__main__":
    main()
