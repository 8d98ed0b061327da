"""Whole studies on one machine: your own folder of hospitals, or patients that are made up."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from fedhcc import arguments, figures
from fedhcc.arguments import Frame, one_of
from fedhcc.bundle_models import BundleModel, load_bundle
from fedhcc.fit_results import page
from server.phases.phase_context import Event
from simulations.cohort.cohort_presets import PRESETS
from simulations.study.simulated_study import Engine, Options
from simulations.study.simulated_study import run as run_study
from site_config.documents.read_yaml_documents import load_study
from site_config.study.plan_and_lock import Study

ENGINES = ("local", "loopback", "ray")
Tell = Callable[[Event], None]


def _silent(_event: Event) -> None:
    """Progress that nobody reads."""


@dataclass(frozen=True, repr=False)
class StudyRun:
    """A finished study: where its report lies, and its numbers."""

    folder: Path
    study_id: str
    label: str
    simulated: bool
    findings: tuple[Any, ...]
    report: Path

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """Everything the report shows: `metrics.json`."""
        found: dict[str, Any] = json.loads((self.folder / "metrics.json").read_text("utf-8"))
        return found

    def summary(self) -> Frame:
        """C-index of every model on every set with its 95 % interval; index (model, set)."""
        lines = [(one["model"], one["set"], one["c"]["value"], one["c"]["low"], one["c"]["high"]) for one in self.metrics["concordance"]]
        return pd.DataFrame(lines, columns=["model", "set", "C", "lower 95%", "upper 95%"]).set_index(["model", "set"])

    def scores(self) -> Frame:
        """Every patient's scores under their pseudonyms: what each hospital could compute by itself.

        A hospital of a real federation has its own at home only; on one machine the researcher is every hospital.
        """
        files = sorted((self.folder / "scores").glob("*.csv"))
        return pd.concat([pd.read_csv(path).assign(site=path.stem) for path in files], ignore_index=True)

    def bundle(self) -> BundleModel:
        """The frozen model."""
        return load_bundle(self.folder / "model")

    def plot(self, ax: Any = None) -> Any:
        """C-index of every model on every set; returns the axis."""
        return figures.concordances(self.summary(), ax)

    def __repr__(self) -> str:
        made_up = ", made-up patients" if self.simulated else ""
        return f"<StudyRun: {self.label}, study {self.study_id[:12]}{made_up}; report {self.report.name}>"

    def _repr_html_(self) -> str:
        return page(repr(self)[1:-1], self.summary(), [f"{one['code']} {one['what']}" for one in self.findings])


class OwnStudy:
    """A study in a folder: `study.yaml`, and `sites/NAME` with `site.yaml` and `cohort.csv` for each of its hospitals.

    The folder is only read. Raises the numbered problems of `study.yaml`, with line and field.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = arguments.path(folder, "folder")
        self.document: Study = load_study(self.folder / "study.yaml")

    @property
    def sites(self) -> list[str]:
        """Its hospitals' names."""
        return [site.name for site in self.document.sites]

    def run(
        self, out: str | Path, *, engine: Engine = "local", seed: int = 7, workers: int = 1, pooled: bool = True, progress: Tell = _silent
    ) -> StudyRun:
        """Run it, or go on where an earlier run in `out` stopped; see `simulate` for the arguments."""
        return _finished(_options(out, engine, seed, workers, folder=self.folder, pooled=pooled), progress)

    def __repr__(self) -> str:
        return f"<Study: {self.document.title}; {len(self.sites)} sites; models {', '.join(self.document.models)}>"


def simulate(
    preset: str = "demo",
    *,
    out: str | Path,
    seed: int = 7,
    engine: Engine = "local",
    workers: int = 1,
    pooled: bool = True,
    progress: Tell = _silent,
) -> StudyRun:
    """Make up patients and run a whole study on them: slices, federated training, evaluation at other hospitals, report.

    Args:
        preset: demo, tiny, paper or clinical-only.
        out: folder of everything it writes; the same folder again resumes.
        seed: the same seed makes up the same patients, who validates, and the first weights. Order, flips and dropout follow the
            study's id, in which the hospitals' keys stand, and these are new in every folder: weights differ from folder to folder.
        engine: local (in this process), loopback (real processes over TLS) or ray.
        workers: processes for phantoms and segmentation. More than one starts new processes, which import the script that
            called this: keep such a call below `if __name__ == "__main__":`.
        pooled: train the same network on pooled patients beside it, in a process of its own: in a script, too, keep the call below
            `if __name__ == "__main__":`.
        progress: called with an event (`phase`, `step`, `of`, `text`) at every step.

    Returns:
        The finished run: `summary()`, `scores()`, `bundle()`, `report`.

    Raises:
        fedhcc.Problem: the problem of the part that failed, as the command line shows it.

    >>> import fedhcc, tempfile
    >>> run = fedhcc.simulate("tiny", out=tempfile.mkdtemp())
    >>> run.label, run.simulated, run.report.name
    ('COMPLETE', True, 'report.html')
    >>> run.summary().index.names
    FrozenList(['model', 'set'])
    >>> model = fedhcc.load_bundle(run.folder / "model")
    >>> model.variables["pvtt"]
    {0: 'no', 1: 'yes'}
    >>> "RadCLN-D" in model.models  # seven patients are too few for the clinical model and for what is fused with it
    False
    """
    one_of(preset, tuple(PRESETS), "preset")
    return _finished(_options(out, engine, seed, workers, preset=preset, pooled=pooled), progress)


def _options(out: str | Path, engine: Engine, seed: int, workers: int, **more: Any) -> Options:
    one_of(engine, ENGINES, "engine")
    arguments.whole(seed, "seed")
    arguments.whole(workers, "workers", least=1)
    return Options(arguments.path(out, "out"), engine=engine, seed=seed, workers=workers, **more)


def _finished(options: Options, progress: Tell) -> StudyRun:
    done = run_study(options, progress)
    result = done.result
    return StudyRun(options.out, done.lock.study_id, result.label, result.simulated, tuple(result.findings), done.report)
