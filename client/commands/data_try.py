"""`data try`: one CT with its masks, through selection to slices and a network of random weights to a score."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from client.cohort.slice_provenance import OrganRecord
from site_config.problems.base import Problem

if TYPE_CHECKING:
    from client.intake.trial_scan import MaskFile
    from site_config.study.plan_and_lock import Study

WARNING = "The network's weights are random: the score shows that the chain works and says nothing about a patient."


@dataclass(frozen=True)
class Trial:
    """What the trial found; `score` is meaningless by itself, `picture` shows the slices."""

    warning: str
    model: str
    seed: int
    score: float
    organs: dict[str, OrganRecord]
    stand_ins: tuple[str, ...]
    findings: tuple[Problem, ...]
    picture: str

    def text(self) -> str:
        """The trial as lines."""
        lines = [self.warning, f"{self.model}, seed {self.seed}: risk score {self.score:.6f}"]
        for organ, one in self.organs.items():
            chosen = ", ".join(f"{z:g} mm ({area:.0f} mm²)" for z, area in zip(one.z_mm, one.organ_mm2, strict=True))
            lines.append(f"{organ}: {one.organ_ml:.0f} mL, tumour {one.tumour_ml:.1f} mL; slices by {one.reason}: {chosen}")
        lines += [f"stands in: {text}" for text in self.stand_ins]
        lines += [str(finding) for finding in self.findings]
        return "\n".join([*lines, f"picture: {self.picture}"])


def parse_mask(text: str) -> tuple[str, MaskFile]:
    """`TARGET=FILE` or `TARGET=FILE:5,6`."""
    from client.intake.trial_scan import MaskFile
    from site_config.problems import host

    target, separator, rest = text.partition("=")
    file, colon, numbers = rest.rpartition(":")
    labelled = bool(colon) and all(part.isdigit() for part in numbers.split(","))
    if not separator or not target or not rest:
        raise host.USAGE.problem("--masks takes TARGET=FILE or TARGET=FILE:5,6")
    return target, MaskFile(Path(file if labelled else rest), tuple(int(part) for part in numbers.split(",")) if labelled else ())


def of_the_command(problem: Problem) -> Problem:
    """The problem of a scan with the remedy of this command, which reads no table."""
    from site_config.problems import scans

    fixes = {
        scans.NOT_AN_IMAGE: "Give --image a folder of DICOM files or a .nii or .nii.gz file (--masks likewise), then try again.",
        scans.NO_CT_SERIES: "Give --image the folder with the CT's DICOM files, or a .nii.gz file; `file FOLDER/*` says what these are.",
        scans.IMAGE_INCOMPLETE: "Copy or export the file of --image or --masks anew (`gzip -t FILE` tests a packed one), then try again.",
    }
    what = problem.what.replace("the baseline whole scan", "the scan")
    return problem.kind.problem(
        what, why=problem.why, fix=fixes.get(problem.kind, problem.fix.replace("`fedhcc-site data prepare`", "the command"))
    )


def run_trial(
    image: Path,
    masks: tuple[str, ...],
    study: Study,
    region: Literal["abdomen", "chest", "whole"],
    model: str | None,
    seed: int,
    picture: Path,
) -> Trial:
    """Slices, picture and score of one scan. Raises problems 3xx, and FH-902 for a model that is no network."""
    import torch

    from client.cohort.contact_sheets import contact_sheet, png
    from client.intake.trial_scan import case_to_slices
    from shared_model.networks.rad_networks import build
    from site_config.atomic_files import write_atomic
    from site_config.problems import host
    from site_config.study.prognostic_models import MODELS, RAD_S

    networks = [one.name for one in MODELS if one.is_network]
    model = model or RAD_S.name
    if model not in networks:
        raise host.USAGE.problem(f"--model takes {' or '.join(networks)}")
    try:
        case = case_to_slices(image, dict(parse_mask(mask) for mask in masks), study, region=region)
    except Problem as problem:
        raise of_the_command(problem) from None
    network = build(study, model, seed=seed).eval()
    with torch.inference_mode():
        score = float(network(torch.from_numpy(case.tensor)[None].to(next(network.parameters()).dtype))[0])
    organs = tuple(organ.name for organ in study.organs)
    write_atomic(picture, png(contact_sheet(case.pictures, organs)))
    records = {f"{view.scan.visit} {view.organ}": view.record for view in case.views}
    return Trial(WARNING, model, seed, score, records, case.stand_ins, case.findings, str(picture))
