"""Where tracked numbers go: TensorBoard's event files, or an MLflow store or server of the coordinator's own choosing."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from server.tracking.tracked_numbers import OpenedPoint
from site_config.problems import host

EXPERIMENT = "fedhcc"
STUDY_TAG = "fedhcc.study"
PATIENTS_TAG = "fedhcc.patients"


class SinkFailed(Exception):
    """A sink did not take what it was given; the words say why, in its own library's terms."""


class Sink(Protocol):
    """Takes points; what was taken once is not offered again."""

    def write(self, points: Sequence[OpenedPoint]) -> None:
        """Write them so that a reader sees them now. Raises SinkFailed."""
        ...

    def close(self, finished: bool) -> None:
        """Nothing more comes from this program; `finished`: nor from another, the study is over."""
        ...


class TensorBoardSink:
    """Scalars in event files below `folder`/STUDY, which `tensorboard --logdir FOLDER` shows."""

    def __init__(self, folder: Path, study: str, simulated: bool) -> None:
        from tensorboard.summary import Writer

        self._make, self._place = Writer, folder / (("SIMULATED-" if simulated else "") + study[:12])
        self._writer: Any = None

    def write(self, points: Sequence[OpenedPoint]) -> None:
        """Append to this program's own event file."""
        try:
            self._writer = self._writer or self._make(str(self._place))
            for point in points:
                self._writer.add_scalar(point.name, point.value, point.step, wall_time=time.time())
            self._writer.flush()
        except OSError as error:
            raise SinkFailed(f"TensorBoard's folder: {error.strerror}") from None

    def close(self, finished: bool) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()


class MlflowSink:
    """One run a study in the experiment `fedhcc`, found again by its tag; MLflow's own telemetry is off."""

    def __init__(self, uri: str, study: str, simulated: bool) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
        if uri.startswith("file:") or "://" not in uri:
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient

        self._failures = (MlflowException, OSError)
        self._make, self._uri = MlflowClient, uri
        self._tags = {STUDY_TAG: study, PATIENTS_TAG: "simulated" if simulated else "real"}
        self._client: Any = None
        self._run = ""

    def write(self, points: Sequence[OpenedPoint]) -> None:
        """Log them as metrics of the study's run."""
        from mlflow.entities import Metric

        try:
            run = self._study_run()
            now = int(time.time() * 1000)
            for first in range(0, len(points), 500):
                batch = [Metric(one.name, one.value, now, one.step) for one in points[first : first + 500]]
                self._client.log_batch(run, metrics=batch)
        except self._failures as error:
            raise SinkFailed(f"MLflow: {type(error).__name__}") from None

    def close(self, finished: bool) -> None:
        """Mark the run as over where the study is."""
        if self._run and finished:
            try:
                self._client.set_terminated(self._run)
            except self._failures as error:
                raise SinkFailed(f"MLflow: {type(error).__name__}") from None

    def _study_run(self) -> str:
        """The run of this study: the one made before, or a new one."""
        if self._run:
            return self._run
        self._client = self._make(tracking_uri=self._uri)
        found = self._client.get_experiment_by_name(EXPERIMENT)
        experiment = found.experiment_id if found is not None else self._client.create_experiment(EXPERIMENT)
        known = self._client.search_runs([experiment], filter_string=f"tags.`{STUDY_TAG}` = '{self._tags[STUDY_TAG]}'", max_results=1)
        run = known[0] if known else self._client.create_run(experiment, tags=self._tags, run_name=self._tags[STUDY_TAG][:12])
        self._run = str(run.info.run_id)
        return self._run


def make_sink(word: str, study: str, simulated: bool) -> Sink:
    """The sink of `tensorboard:FOLDER` or `mlflow:URI`. Raises FH-902; a missing library is told by its name."""
    kind, _, place = word.partition(":")
    if kind == "tensorboard" and place:
        return TensorBoardSink(Path(place), study, simulated)
    if kind == "mlflow" and place:
        return MlflowSink(place, study, simulated)
    raise host.USAGE.problem("--track takes tensorboard:FOLDER or mlflow:URI")
