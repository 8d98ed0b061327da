"""What the study's privacy settings were, in a sentence each, and what they do not protect."""

from __future__ import annotations

from collections.abc import Iterator

from server.report import number_text
from server.report.page_blocks import Block, Bullets, Facts, Paragraph
from server.report.parts.part import Heading, ReportedStudy, ReportPart, nothing
from server.study.study_results import StudyResult
from site_config.study.plan_and_lock import Study
from site_config.study.prognostic_models import MODELS

WEIGHTS = (
    "What the broadcast weights tell: each round's summed update is public to every hospital, and the final model may reveal who "
    "took part in training."
)
SMALL_GROUPS = (
    "Small groups, from the coordinator, where sums were opened: this page hides small counts from its readers, but the coordinator "
    "opened the sums they come from."
)
HOLDERS = "The rows, from holders of shares who pool what they hold, once more of them do so than the lock allows for."


def not_protected(report: ReportedStudy) -> list[str]:
    """What the settings do not protect, of this study: networks and opened sums only where there are any."""
    trains, shares = bool(MODELS.networks(report.study.models)), report.analyses is not None
    crafted = "chosen coefficients, crafted weights or invented hospitals" if trains else "chosen coefficients or invented hospitals"
    return [
        f"A coordinator who breaks the protocol: {crafted}. It is assumed to follow the protocol and to be curious.",
        *([WEIGHTS] if trains else []),
        "Hospitals that collude with the coordinator, once fewer honest hospitals or patients remain than the minima above.",
        *([HOLDERS] if shares else []),
        "When messages were sent, and how large they were.",
        *([SMALL_GROUPS] if trains or not shares else []),
        "Anything by proof: that known attacks fail is measured, and absence of a successful attack is not proof. Only differential "
        "privacy is a guarantee.",
    ]


CLINICAL = {"exact": "EXACT: risk-set sums by day", "shares": "fitted on secret shares; nothing but the fit was opened"}
EVALUATION = {
    "exact": "EXACT: rank, day and event of every patient",
    "shares": "exact results, computed on secret shares; no table of patients was opened",
}


def settings(result: StudyResult, study: Study) -> list[tuple[str, str]]:
    """Setting and value, in words."""
    privacy = study.privacy
    masks = (
        "Every vector was masked; only the sum over a whole roster could be opened"
        if privacy.masks
        else "NONE: every contribution travelled in the clear"
    )
    blocks = result.lock.get("blocks", {})
    sizes = sorted(len(block) for role in blocks.values() for block in role)
    many = f"{number_text.plural(len(sizes), 'fixed block')} of {sizes[0]}–{sizes[-1]} hospitals" if sizes else number_text.MISSING
    trains = bool(MODELS.networks(study.models))
    fixed = (f"training updates: {many}; everything else: " if trains else "") + "all hospitals of a role under one roster"
    return [
        ("Masks (secure sum)", masks),
        ("Unit that is opened", fixed),
        ("Smallest sum", f"{privacy.minimum_sites} hospitals and {privacy.minimum_patients} patients; sites may ask for more and win"),
        (
            "Smallest clinical model",
            f"{number_text.plural(privacy.minimum_cox_patients, 'patient')} and "
            f"{number_text.plural(privacy.minimum_events_per_variable, 'event')} a variable",
        ),
        *([] if privacy.dp else [("Clinical model", CLINICAL[study.resolution]), ("Evaluation", EVALUATION[study.resolution])]),
        ("Differential privacy", _noise(study)),
        ("Demonstration", "yes: minima were lifted because every patient is simulated" if privacy.demonstration else "no"),
    ]


def _noise(study: Study) -> str:
    """What the study declares of differential privacy."""
    dp = study.privacy.dp
    if dp is None:
        return "not used: nothing here carries a formal guarantee"
    opened = "; no result was opened beside the networks"
    if study.shares_rows:
        opened = (
            f"; {100 * dp.results:.0f} % of the budget (of μ²) for counts, which hold the noise of every holder of shares. Curves are "
            "computed from these counts and their intervals include the noise; everything else was refused (FH-540)"
        )
    return f"ε = {dp.epsilon:g} at δ = {dp.delta:g} for each patient, noise placed `{dp.placement}`{opened}"


def blocks(_found: None, report: ReportedStudy) -> Iterator[Block]:
    """Settings, and what they do not protect."""
    yield Facts(settings(report.result, report.study))
    yield Paragraph("What this does not protect:")
    yield Bullets(not_protected(report))


PROTECTION = ReportPart(name="privacy", heading=Heading("privacy", "Privacy"), numbers=nothing, blocks=blocks)
