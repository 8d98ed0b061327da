"""Everything needed to repeat the study, or to check that a page belongs to it."""

from __future__ import annotations

from collections.abc import Iterator

from server.report import number_text
from server.report.page_blocks import Block, Facts, Paragraph
from server.report.parts.part import Heading, ReportedStudy, ReportPart, nothing
from site_config.study.plan_and_lock import Study


def blocks(_found: None, report: ReportedStudy) -> Iterator[Block]:
    """Digests, seeds and settings."""
    result, study = report.result, report.study
    yield Facts(
        [
            ("Study id (SHA-256 of the lock)", result.study_id),
            ("Code digest", str(result.lock.get("code_digest", number_text.MISSING))),
            ("Office code digest", str(result.lock.get("office_digest") or number_text.MISSING)),
            *((f"Changed by hand ({number})", words) for number, words in enumerate(result.remarks, 1)),
            ("Coordinator's key", str(result.lock.get("coordinator_key", number_text.MISSING))),
            ("Software", result.software),
            ("Report of", result.created),
            ("Seed", str(study.training.seed)),
            *(networks(study) if study.reads_scans else []),
            *((f"Seed of the first weights of {model}", str(seed)) for model, seed in result.first_seeds.items()),
            *((f"Weights of {model} (SHA-256)", digest) for model, digest in result.weights.items()),
            *((f"Time, {phase}", number_text.seconds(span)) for phase, span in result.timing.items()),
        ]
    )
    yield Paragraph(
        "The signed lock, the ledger, every opened sum and the numbers of this page (metrics.json) are kept with the study; the "
        "report is a function of them and can be built again.",
        tone="note",
    )


def networks(study: Study) -> list[tuple[str, str]]:
    """How the networks were trained and what they saw."""
    training, imaging = study.training, study.imaging
    return [
        (
            "Training",
            f"{training.rounds} rounds, {number_text.plural(training.local_steps, 'local step')}, batch {training.batch}, "
            f"server {training.server.name} at {training.server.rate:g}, hazard {training.hazard} {training.hazard_resolution}",
        ),
        ("Images", f"{imaging.slices} slices an organ, {imaging.size} px, {imaging.spacing_mm:g} mm, field {imaging.field}"),
        ("Network", f"{study.network.backbone}, {study.network.norm} norm, start {study.network.warm_start}"),
    ]


REPRODUCE = ReportPart(name="reproduce", heading=Heading("reproduce", "Reproducibility"), numbers=nothing, blocks=blocks)
