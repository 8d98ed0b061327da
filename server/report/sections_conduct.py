"""The sections about how the study was done: training, participation, what left the hospitals, privacy, limits, how to repeat it."""

from __future__ import annotations

from dataclasses import replace

from server.report import privacy, tables, text
from server.report.blocks import Block, Bullets, Facts, Figure, Panel, Paragraph, Photo, Photos, Section, TableBlock
from server.report.figures import model as figures_model
from server.report.numbers import Metrics
from server.report.sections_results import absent
from server.study.results import StudyResult
from site_config.study.model import Study

SHORT_LIST = 12


def simulation(result: StudyResult) -> Section | None:
    """What only a simulation can know; None for a study of people."""
    truth = result.simulation
    if truth is None:
        return None
    blocks: list[Block] = [
        Paragraph(
            "Simulated patients have a known truth, so the best possible C-index and a model trained on pooled patients can stand "
            "beside the federated one."
        )
    ]
    if truth.oracle:
        rows = [[name, text.number(c, 3), text.number(truth.oracle_images.get(name), 3)] for name, c in truth.oracle.items()]
        blocks.append(TableBlock("C-index of the true predictor (the ceiling)", ["Patients", "Everything", "Images alone"], rows))
    if truth.pooled:
        rows = [
            [
                p.model,
                str(p.n),
                str(p.events),
                _c(p.c_federated, p.c_federated_ci),
                _c(p.c_pooled, p.c_pooled_ci),
                text.number(p.spearman, 4),
            ]
            for p in truth.pooled
        ]
        header = ["Model", "n", "Events", "C federated (95 % CI)", "C pooled (95 % CI)", "Spearman of the scores"]
        blocks.append(TableBlock("Federated against pooled training, held-out patients", header, rows))
    items = [*truth.settings.items(), *([("seed", str(truth.seed))] if truth.seed is not None else [])]
    if items:
        blocks.append(Paragraph("What made this demonstration learnable:"))
        blocks.append(Facts(items))
    said = {f"{name}: {value}" for name, value in items}
    notes = [note for note in result.notes if note not in said]
    if notes:
        blocks.append(Bullets(notes))
    return Section("simulation", "What only a simulation knows", blocks)


def _c(value: float | None, interval: tuple[float, float] | None) -> str:
    low, high = interval or (None, None)
    return text.with_interval(value, low, high, 3)


def grad_cam(result: StudyResult) -> Section:
    """Grad-CAM pictures, of phantoms only."""
    pictures = result.simulation.cams if result.simulation and result.simulated else []
    if not pictures:
        words = (
            "Grad-CAM shows where in an image a network looks. It is an image of a patient's scan, so it never leaves a hospital; "
            "this report can show it for phantoms only."
        )
        return Section("gradcam", "Where the network looks", [Paragraph(words, tone="absent")])
    photos = [Photo(c.title, c.png_base64, c.alternative) for c in pictures]
    return Section(
        "gradcam",
        "Where the network looks",
        [
            Photos(
                "gradcam-pictures",
                "Figure 5",
                "Grad-CAM of phantoms",
                photos,
                "Warm colours: regions that raise the risk score. Phantoms, not people: pictures of people never leave a hospital.",
            )
        ],
    )


def training(result: StudyResult, metrics: Metrics) -> Section:
    """Loss by round, one panel a network."""
    models = list(dict.fromkeys(point.model for point in result.rounds))
    if not models:
        return Section("training", "Training", absent(metrics, "training"))
    panels = [
        Panel(figures_model.training(m, [p for p in result.rounds if p.model == m], f"train-{m}", simulated=metrics.simulated))
        for m in models
    ]
    figure = Figure(
        "training-figure",
        "Figure S7",
        "Training by round",
        panels,
        [tables.training(result.rounds)],
        (
            "Loss a patient of the broadcast-hazard likelihood. A round whose global loss had risen is taken back and "
            "repeated at half the rate."
        ),
    )
    return Section("training", "Training", [figure])


def participation(metrics: Metrics) -> Section:
    """The ledger, hospital by hospital; a long list is folded below those that missed something."""
    rows = metrics.participation
    if not rows:
        return Section("participation", "Participation", absent(metrics, "participation"))
    missing = [row for row in rows if row.missed]
    never = "No hospital missed an ask."
    some = f"{text.plural(len(missing), 'hospital')} missed {text.plural(sum(row.missed for row in missing), 'ask')}."
    blocks: list[Block] = [Paragraph(f"{text.plural(len(rows), 'hospital')} took part. {some if missing else never}")]
    if len(rows) <= SHORT_LIST:
        return Section("participation", "Participation", [*blocks, tables.participation(rows, "Participation by hospital")])
    if missing:
        blocks.append(tables.participation(missing, "Hospitals that missed an ask"))
    blocks.append(replace(tables.participation(rows, "Participation by hospital"), folded=True))
    return Section("participation", "Participation", blocks)


def egress(metrics: Metrics, titles: dict[str, str]) -> Section:
    """Everything that left a hospital."""
    if not metrics.statistics:
        return Section("egress", "What left the hospitals", absent(metrics, "participation"))
    total = sum(row.bytes_out for row in metrics.statistics)
    clear = [row.name for row in metrics.statistics if not row.masked]
    words = (
        f"Nothing but the named sums below, {text.bytes_size(total)} in all, sent by all hospitals together. No "
        + ("image and no patient row left a hospital." if metrics.reads_scans else "patient row left a hospital.")
        + (f" Not masked: {text.listed(sorted(set(clear)))}." if clear else "")
    )
    return Section("egress", "What left the hospitals", [Paragraph(words), tables.statistics(metrics.statistics, titles)])


def protection(result: StudyResult, study: Study) -> Section:
    """Settings, and what they do not protect."""
    return Section(
        "privacy",
        "Privacy",
        [Facts(privacy.settings(result, study)), Paragraph("What this does not protect:"), Bullets(privacy.NOT_PROTECTED)],
    )


def limits(metrics: Metrics) -> Section:
    """Limitations generated from facts."""
    return Section("limitations", "Limitations", [Bullets(metrics.limitations)])


def reproduce(result: StudyResult, study: Study) -> Section:
    """Everything needed to repeat the study or to check that this page belongs to it."""
    items = [
        ("Study id (SHA-256 of the lock)", result.study_id),
        ("Code digest", str(result.lock.get("code_digest", text.MISSING))),
        ("Office code digest", str(result.lock.get("office_digest") or text.MISSING)),
        *((f"Changed by hand ({number})", words) for number, words in enumerate(result.remarks, 1)),
        ("Coordinator's key", str(result.lock.get("coordinator_key", text.MISSING))),
        ("Software", result.software),
        ("Report of", result.created),
        ("Seed", str(study.training.seed)),
        *(_networks(study) if study.reads_scans else []),
        *((f"Seed of the first weights of {model}", str(seed)) for model, seed in result.first_seeds.items()),
        *((f"Weights of {model} (SHA-256)", digest) for model, digest in result.weights.items()),
        *((f"Time, {phase}", text.seconds(span)) for phase, span in result.timing.items()),
    ]
    words = (
        "The signed lock, the ledger, every opened sum and the numbers of this page (metrics.json) are kept with the study; the "
        "report is a function of them and can be built again."
    )
    return Section("reproduce", "Reproducibility", [Facts(items), Paragraph(words, tone="note")])


def _networks(study: Study) -> list[tuple[str, str]]:
    """How the networks were trained and what they saw."""
    return [
        (
            "Training",
            f"{study.training.rounds} rounds, {study.training.local_steps} local step(s), batch {study.training.batch}, "
            f"server {study.training.server.name} at {study.training.server.rate:g}, hazard {study.training.hazard} "
            f"{study.training.hazard_resolution}",
        ),
        (
            "Images",
            (
                f"{study.imaging.slices} slices an organ, {study.imaging.size} px, {study.imaging.spacing_mm:g} mm, field "
                f"{study.imaging.field}"
            ),
        ),
        ("Network", f"{study.network.backbone}, {study.network.norm} norm, start {study.network.warm_start}"),
    ]
