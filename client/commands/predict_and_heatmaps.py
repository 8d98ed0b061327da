"""`fedhcc-site predict`, `heatmaps` and `export`: use a finished study's bundle on the hospital's own patients; nothing leaves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from client.commands.init_and_join import Home
from site_config.console import Json, note, show, table

if TYPE_CHECKING:
    from rich.console import RenderableType

    from client.prediction.own_calibration import CalibratedHere
    from client.prediction.predict_patient import CaseReading
    from shared_model.bundle.bundle_manifest import Bundle
    from site_config.site_yaml import SiteConfig

Folder = Annotated[Path, typer.Argument(help="The bundle's folder.", file_okay=False)]
Hash = Annotated[str | None, typer.Option("--sha256", help="The bundle's hash as its makers published it; another bundle is refused.")]


def _open(home: Path, folder: Path, sha256: str | None) -> tuple[SiteConfig, Bundle]:
    from shared_model.bundle.bundle_manifest import load_bundle
    from site_config.documents.read_yaml_documents import load_site

    return load_site(home / "site.yaml"), load_bundle(folder, sha256=sha256)


def _values(pairs: list[str]) -> dict[str, float]:
    from site_config.problems import model as problems

    found: dict[str, float] = {}
    for pair in pairs:
        name, _, value = pair.partition("=")
        try:
            found[name.strip()] = float(value)
        except ValueError:
            raise problems.UNKNOWN_VALUE.problem("a value is given as NAME=NUMBER, such as pvtt=1", where="--value") from None
    return found


def predict(
    bundle: Folder,
    patient: Annotated[str, typer.Option("--patient", help="The patient's key in cohort.csv and scans.csv.")],
    home: Home = Path(),
    value: Annotated[list[str] | None, typer.Option("--value", help="A clinical value, NAME=NUMBER; repeat. Wins over cohort.csv.")] = None,
    out: Annotated[Path, typer.Option("--out", help="Where the page is written.", dir_okay=False)] = Path("prediction.html"),
    sha256: Hash = None,
    heatmaps: Annotated[bool, typer.Option("--heatmaps/--no-heatmaps", help="With heat maps (needs about 15 seconds more).")] = True,
    json: Json = False,
) -> None:
    """Radiological, clinical and fused score, risk group and survival of one patient. For research only.

    Missing parts leave the models that do without them: RadCLN-S without follow-up, Rad-D without clinical variables, CLN
    without scans. The page holds the patient's slices and stays in the hospital.
    """
    from client.prediction.clinician_page import write_prediction
    from client.prediction.predict_patient import find_case, read_case

    site, opened = _open(home, bundle, sha256)
    case = find_case(site, opened.lock.study, patient, _values(value or []))
    reading = read_case(opened, case, heatmaps=heatmaps)
    write_prediction(opened, case, reading, out)
    data = {
        "bundle": opened.sha256,
        "research_only": True,
        "simulated": opened.manifest.simulated,
        "models": reading.predictions.models,
        "missing": reading.predictions.missing,
        "rests_on": reading.predictions.rests_on,
        "disagreement": reading.predictions.disagreement,
        "remarks": case.remarks,
        "page": out.name,
    }
    show(data, _table(reading))
    note(f"For research only. The page is {out.name}; it holds the patient's images and stays in the hospital.")


def _table(reading: CaseReading) -> RenderableType:
    from shared_model.bundle.survival_intervals import INTERVALS_SAY

    rows = []
    for one in reading.predictions.models:
        survival = [_with_interval(value, one.interval[day]) for day, value in one.survival.items()]
        rows.append((one.model, f"{one.score:.3f}", one.group or "no cut-off", *survival))
    horizons = [f"day {day}" for day in (reading.predictions.models[0].survival if reading.predictions.models else ())]
    missing = "; ".join(f"{model}: {', '.join(what)} missing" for model, what in reading.predictions.missing.items())
    known = any(found for one in reading.predictions.models for found in one.interval.values())
    said = [reading.predictions.rests_on, reading.predictions.disagreement or "", INTERVALS_SAY if known else ""]
    said += [f"{one.model}: {sentence}" for one in reading.predictions.models for sentence in one.cautions]
    caption = "\n".join(sentence for sentence in (*said, missing) if sentence)
    return table("Prediction", ("model", "score", "risk", *horizons), rows, caption or None)


def _with_interval(value: float | None, limits: tuple[float, float] | None) -> str:
    """A survival in percent with its interval, where there is one."""
    if value is None or limits is None:
        return _percent(value)
    return f"{100 * value:.0f} % ({100 * limits[0]:.0f} to {100 * limits[1]:.0f})"


def heatmaps(
    bundle: Folder,
    home: Home = Path(),
    extremes: Annotated[int, typer.Option("--extremes", min=1, max=10, help="Patients at each end of the risk scale.")] = 2,
    out: Annotated[Path, typer.Option("--out", help="Where the page is written.", dir_okay=False)] = Path("heatmaps.html"),
    sha256: Hash = None,
    json: Json = False,
) -> None:
    """Heat maps of this hospital's patients of highest and lowest risk. The page stays in the hospital."""
    from client.prediction.clinician_page import write_extremes
    from client.prediction.predict_patient import extremes as find_extremes

    site, opened = _open(home, bundle, sha256)
    compute = site.compute
    found = find_extremes(opened, site, opened.manifest.study_id, extremes, device=compute.device, micro_batch=compute.micro_batch)
    model = opened.best_network or ""
    write_extremes(opened, found, model, out)
    data = {
        "bundle": opened.sha256,
        "model": model,
        "patients": [{"risk": one.risk, "score": one.score} for one in found],
        "page": out.name,
    }
    show(data, table(f"{model}: both ends of the risk scale", ("risk", "score"), [(one.risk, f"{one.score:.3f}") for one in found]))
    note(f"The page is {out.name}; it holds patients' images and stays in the hospital.")


def calibration(bundle: Folder, home: Home = Path(), sha256: Hash = None, json: Json = False) -> None:
    """Hold a frozen model's predicted survival beside what this hospital saw, where it has 30 patients. Nothing leaves.

    Patients that the model was trained on make it look better than it is: judge it on others.
    """
    from client.prediction.own_calibration import calibrate_here

    site, opened = _open(home, bundle, sha256)
    found = calibrate_here(opened, site)
    rows = [
        (
            one.model,
            f"day {one.horizon}",
            one.n,
            one.events,
            _percent(one.predicted),
            _percent(one.observed),
            _range(one),
            one.note,
        )
        for one in found
    ]
    columns = ("model", "horizon", "n", "events", "predicted", "seen", "95 % interval", "")
    told = "of patients the model was trained on this is apparent; for research only" if rows else "no patient has what a model reads"
    show({"bundle": opened.sha256, "calibration": found}, table("Survival at this hospital", columns, rows, told))


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.0f} %"


def _range(one: CalibratedHere) -> str:
    return "–" if one.low is None or one.high is None else f"{100 * one.low:.0f} to {100 * one.high:.0f} %"


def export(
    bundle: Folder,
    out: Annotated[Path, typer.Argument(help="Folder for the exported networks.", file_okay=False)],
    sha256: Hash = None,
    json: Json = False,
) -> None:
    """Write a bundle's networks as `torch.export` programs, ONNX files and MONAI bundles; check that they give the same scores.

    ONNX needs the packages of `fedhcc[export]` and is left out without them.
    """
    from shared_model.bundle.bundle_manifest import load_bundle
    from shared_model.bundle.export_onnx_and_monai import export_bundle
    from shared_model.bundle.onnx_program import onnx_missing

    found = export_bundle(load_bundle(bundle, sha256=sha256), out)
    rows = [(one.file, f"{one.difference:.1e}", one.sha256[:12]) for one in found]
    show({"files": found}, table("Exported", ("file", "largest difference", "sha256"), rows))
    missing = onnx_missing()
    if missing is not None:
        note(f"No ONNX: the package {missing} is not installed (fedhcc[export]).")


def register(app: typer.Typer) -> None:
    """Add `predict`, `heatmaps`, `calibration` and `export` to the hospital's command."""
    for command in (predict, heatmaps, calibration, export):
        app.command()(command)
