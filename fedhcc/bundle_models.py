"""A finished study's model on patients of your own. For research only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from client.prediction.predict_patient import Case, checked_values, find_case, read_case
from fedhcc import arguments
from fedhcc.arguments import Frame
from shared_model.bundle.bundle_manifest import Bundle
from shared_model.bundle.bundle_manifest import load_bundle as open_bundle
from shared_model.bundle.prediction import Prediction, Predictions
from shared_model.bundle.prediction import predict as predict_one
from shared_model.bundle.prediction_cautions import rests_on
from site_config.documents.read_yaml_documents import load_site
from site_config.problems import model as problems
from site_config.site_yaml import Paths, SiteConfig
from site_config.study.clinical_variables import ClinicalVariable
from site_config.words_of_messages import nearest


@dataclass(frozen=True, repr=False)
class BundleModel:
    """A verified bundle. `bundle` is what stands behind it: manifest, locked study, card, networks."""

    bundle: Bundle

    @property
    def models(self) -> list[str]:
        """The models it holds, as the study declared them."""
        return list(self.bundle.manifest.models)

    @property
    def variables(self) -> dict[str, dict[int, str] | tuple[float, float] | None]:
        """Clinical variables it reads: codes with their labels, or the bounds of a number."""
        return {one.name: dict(one.values) if one.coded else one.bounds for one in self.bundle.lock.study.clinical}

    @property
    def rests_on(self) -> str:
        """Size and events of the training cohort, in one sentence."""
        return rests_on(self.bundle.manifest)

    @property
    def card(self) -> str:
        """The model card, Markdown."""
        return self.bundle.card

    def predict(self, data: Frame | None = None, *, scans: str | Path | None = None) -> Frame:
        """Scores, risk groups and survival of patients, one row a patient and model; models whose inputs are missing are left out.

        Args:
            data: a DataFrame with one row a patient, its index the patients' keys, its columns clinical variables by name; codes
                or their labels; a missing value is NaN.
            scans: what the networks read: a hospital's folder (with `site.yaml` and `scans.csv`), or a `scans.csv` with masks. With
                `data` the patients of its index are looked up there; without it every patient of `cohort.csv` is.

        Returns:
            Index (patient, model) in order of preference; columns `score` (higher means earlier death), `risk` (high, low or None),
            `survival DAY` for the study's horizons, `remarks` (what to know before believing it; disagreements).

        Raises:
            fedhcc.Problem: FH-612 for a value or a name the model does not know, or where no model can be computed for anybody; FH-352
                for a patient who is nowhere.
        """
        if data is None and scans is None:
            raise problems.UNKNOWN_VALUE.problem("neither clinical values nor scans are given", fix="Give a DataFrame, or scans=FOLDER.")
        if data is not None:
            self._check_names(arguments.frame(data, "data"))
        if scans is None:
            return self._framed({key: self._clinical(row) for key, row in _rows(data)})
        site = _site(arguments.path(scans, "scans"))
        keys: list[tuple[Any, Mapping[str, Any]]] = [(key, {}) for key in _keys(site)] if data is None else list(_rows(data))
        found = {}
        for key, row in keys:
            case = find_case(site, self.bundle.lock.study, str(key), self._values(row))
            found[key] = (read_case(self.bundle, case, heatmaps=False).predictions, case)
        return self._framed(found)

    def _check_names(self, data: Frame) -> None:
        """FH-612 where a column is nearly called like a variable that no column has."""
        absent = [name for name in self.variables if name not in data.columns]
        for name in map(str, data.columns):
            near = None if name in self.variables else nearest(name, absent)
            if near:
                raise problems.UNKNOWN_VALUE.problem(f"there is no variable {name!r}", where=name, fix=f"Did you mean `{near}`?")

    def _clinical(self, row: Mapping[str, Any]) -> tuple[Predictions, Case | None]:
        values: dict[str, float | None] = dict.fromkeys(self.variables, None)
        values |= self._values(row)
        return predict_one(self.bundle.manifest, self.bundle.lock.study, values, {}), None

    def _values(self, row: Mapping[str, Any]) -> dict[str, float]:
        """Codes and numbers of a row's clinical variables. Raises FH-612."""
        study = self.bundle.lock.study
        known = {variable.name: variable for variable in study.clinical}
        found = {name: _code(known[name], value) for name, value in row.items() if name in known and not pd.isna(value)}
        return checked_values(study, found)

    def _framed(self, found: Mapping[Any, tuple[Predictions, Case | None]]) -> Frame:
        """FH-612 where no model can be computed for anybody."""
        if found and not any(predictions.models for predictions, _ in found.values()):
            needed = ", ".join(self.variables)
            what = f"what {', '.join(self.models)} need is not there"
            raise problems.UNKNOWN_VALUE.problem(what, fix=f"CLN reads every one of {needed}; models of scans read scans=FOLDER.")
        lines = [
            {"patient": key, "model": one.model, **_line(one), "remarks": _remarks(predictions, one, case)}
            for key, (predictions, case) in found.items()
            for one in predictions.models
        ]
        days = [f"survival {day}" for day in self.bundle.lock.study.evaluation.horizons]
        columns = ["patient", "model", "score", "risk", *days, "remarks"]
        return pd.DataFrame(lines, columns=columns).set_index(["patient", "model"])

    def __repr__(self) -> str:
        manifest = self.bundle.manifest
        made_up = ", from made-up patients" if manifest.simulated else ""
        return f"<BundleModel: {manifest.title}; {', '.join(self.models)}{made_up}; for research only>"


def load_bundle(folder: str | Path, *, sha256: str | None = None) -> BundleModel:
    """Open a finished study's model: its coordinator's `model/` folder.

    Every file's hash is checked, and the bundle's own where `sha256` names it. Nothing in a bundle is executed. Raises FH-610.
    The example of `simulate` goes on to a prediction.
    """
    return BundleModel(open_bundle(arguments.path(folder, "folder"), sha256=sha256))


def _rows(data: Frame) -> list[tuple[Any, Mapping[str, Any]]]:
    return [(key, row.to_dict()) for key, row in arguments.frame(data, "data").iterrows()]


def _code(variable: ClinicalVariable, value: Any) -> float:
    """A value as its code: a label is looked up, upper and lower case alike. Raises FH-612."""
    labels = {label.casefold(): code for code, label in variable.values.items()}
    if isinstance(value, str) and value.strip().casefold() in labels:
        return float(labels[value.strip().casefold()])
    try:
        return float(value)
    except (TypeError, ValueError):
        listed = ", ".join(f"{code} ({label})" for code, label in variable.values.items()) or "a number"
        raise problems.UNKNOWN_VALUE.problem(f"{variable.name} is one of {listed}", where=variable.name) from None


def _remarks(predictions: Predictions, one: Prediction, case: Case | None) -> str:
    return " ".join((*one.cautions, predictions.disagreement or "", *(case.remarks if case else ()))).strip()


def _line(one: Prediction) -> dict[str, Any]:
    return {"score": one.score, "risk": one.group, **{f"survival {day}": value for day, value in one.survival.items()}}


def _site(scans: Path) -> SiteConfig:
    if scans.is_dir():
        return load_site(scans / "site.yaml")
    return SiteConfig(site="here", paths=Paths(scans=Path(scans.name)), home=scans.parent)


def _keys(site: SiteConfig) -> list[str]:
    table = pd.read_csv(site.path(site.paths.scans or Path("scans.csv")), dtype=str)
    return list(dict.fromkeys(table["patient"].dropna()))
