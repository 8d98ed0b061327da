"""The page a clinician reads: what each model says of a patient, the nomogram position, and slices with heat maps."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from client.cohort.contact_sheets import outlined, png
from client.prediction.predict_patient import Case, CaseReading, Extreme, Pictures
from shared_model.bundle.bundle_manifest import Bundle
from shared_model.bundle.prediction import survival_at
from shared_model.bundle.survival_intervals import INTERVALS_SAY
from site_config.atomic_files import make_folder, write_atomic

VISITS = ("baseline", "followup")
NAMES = {"baseline": "Baseline", "followup": "Follow-up"}


def write_prediction(bundle: Bundle, case: Case, reading: CaseReading, out: Path) -> Path:
    """Write one patient's page (self-contained HTML, readable by its owner only)."""
    context = {
        "manifest": bundle.manifest,
        "study": bundle.lock.study,
        "sha256": bundle.sha256,
        "models": reading.predictions.models,
        "missing": reading.predictions.missing,
        "rests_on": reading.predictions.rests_on,
        "intervals_say": INTERVALS_SAY,
        "disagreement": reading.predictions.disagreement,
        "clinical": _clinical(bundle, case),
        "remarks": case.remarks,
        "shown": reading.shown,
        "rows": picture_rows(bundle, case.pictures, reading.maps),
        "curve": _curves(bundle, reading),
    }
    return _write("predict.html.j2", context, out)


def write_extremes(bundle: Bundle, found: Sequence[Extreme], model: str, out: Path) -> Path:
    """Write the page of the patients at both ends of the risk scale."""
    patients = [{"extreme": one, "rows": picture_rows(bundle, one.pictures, one.maps)} for one in found]
    return _write(
        "predict_extremes.html.j2", {"manifest": bundle.manifest, "model": model, "sha256": bundle.sha256, "patients": patients}, out
    )


def _write(template: str, context: dict[str, Any], out: Path) -> Path:
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    environment = Environment(
        loader=PackageLoader("client"), autoescape=select_autoescape(default=True), undefined=StrictUndefined, trim_blocks=True
    )
    make_folder(out.parent)
    write_atomic(out, environment.get_template(template).render(**context).encode())
    return out


def picture_rows(bundle: Bundle, pictures: Pictures, maps: NDArray[np.float32] | None) -> list[dict[str, Any]]:
    """A row an organ and visit: slices with the organ's outline, and the same with the heat map, as base64 PNG."""
    rows = []
    for index, organ in enumerate(bundle.lock.study.organs):
        for visit, name in enumerate(VISITS):
            views = pictures.get(f"{name}.{organ.name}")
            if views is None:
                continue
            heat = maps[visit, index] if maps is not None and visit < maps.shape[0] else None
            top = float(maps[:, index].max()) if maps is not None else 0.0
            plain = np.concatenate([outlined(view) for view in views], axis=1)
            warm = None if heat is None else np.concatenate([overlay(v[0], h, top) for v, h in zip(views, heat, strict=True)], axis=1)
            rows.append({"organ": organ.name, "visit": NAMES[name], "plain": encoded(plain), "warm": "" if warm is None else encoded(warm)})
    return rows


def overlay(grey: NDArray[np.uint8], heat: NDArray[np.float32], top: float) -> NDArray[np.uint8]:
    """A grey slice (H, W) under a heat map (H, W) in the colours of matplotlib's inferno, RGB (H, W, 3); `top` is full heat."""
    from matplotlib import colormaps

    share = np.clip(heat / top, 0.0, 1.0) if top > 0 else np.zeros_like(heat)
    colour = np.asarray(colormaps["inferno"](share))[..., :3] * 255
    weight = 0.65 * share[..., None]
    return np.asarray(np.rint((1 - weight) * grey[..., None] + weight * colour), dtype=np.uint8)


def encoded(rgb: NDArray[np.uint8]) -> str:
    """An RGB array as base64 PNG."""
    return base64.b64encode(png(rgb)).decode()


def _clinical(bundle: Bundle, case: Case) -> list[tuple[str, str]]:
    rows = []
    for variable in bundle.lock.study.clinical:
        value = case.clinical.get(variable.name)
        rows.append((variable.label, variable.shown(value)))
    return rows


def _curves(bundle: Bundle, reading: CaseReading) -> dict[str, Any] | None:
    """Points of the predicted survival curve of the first model, for a small SVG (x days, y survival)."""
    if not reading.predictions.models:
        return None
    first = reading.predictions.models[0]
    formula = bundle.manifest.models[first.model]
    if not formula.time:
        return None
    last = min(formula.time[-1], 1826.0)
    days = np.linspace(0, last, 80)
    points = [(float(day), survival_at(formula, first.score, float(day))) for day in days]
    if any(value is None for _, value in points):
        return None
    line = " ".join(f"{40 + 440 * day / last:.1f},{10 + 180 * (1 - (value or 0)):.1f}" for day, value in points)
    ticks = [(40 + 440 * year * 365.25 / last, year) for year in range(int(last // 365.25) + 1)]
    return {"model": first.model, "line": line, "ticks": ticks}
