"""Models that exist: recipes for published nnU-Net v2 models, and how a fetched file becomes an entry of site.yaml.

A recipe names source, version, licence in plain words, what the model was trained on, and which of its labels are which
target. Checksums of the files are not published by their makers; they are computed when a pack is added, written into the
entry, and every later change of a file is refused (FH-340). The archive is fetched where a person asks for it (`fetch`), or
handed over as a file.
"""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from client.segmentation.safe_load import CHECKPOINT_LIMIT, JSON_LIMIT, ModelFiles, read_model
from site_config.atomic_files import access_problem, make_folder, write_atomic
from site_config.problems import segmentation as problems
from site_config.problems.base import Problem
from site_config.site_yaml import SegmentationModel

RELEASES = "https://github.com/wasserth/TotalSegmentator/releases/download"
LOBES = ("lung_upper_lobe_left", "lung_lower_lobe_left", "lung_upper_lobe_right", "lung_middle_lobe_right", "lung_lower_lobe_right")


@dataclass(frozen=True)
class ModelPack:
    """One published model. `targets` maps a target of the study to label names and numbers of the model."""

    name: str
    file: str
    version: str
    configuration: str
    licence: str
    trained_on: str
    note: str
    targets: dict[str, dict[str, int]]
    orientation: Literal["LPS", "RAS"] = "RAS"

    @property
    def url(self) -> str:
        """Where its makers publish it."""
        return f"{RELEASES}/{self.version}/{self.file}"


OPEN = "Apache-2.0 by its makers' page: free for any use, also commercial; not a medical device. Read the page again before you use it."
LISTED = "Its makers list it among the tasks open for any use. Read their page before you use it."
CITE = " Cite Wasserthal et al., Radiology: Artificial Intelligence 2023, and nnU-Net."
PACKS: dict[str, ModelPack] = {
    pack.name: pack
    for pack in (
        ModelPack(
            "organs",
            "Dataset291_TotalSegmentator_part1_organs_1559subj.zip",
            "v2.0.0-weights",
            "3d_fullres",
            OPEN + CITE,
            "1,559 CT examinations of University Hospital Basel and others, routine indications, 1.5 mm",
            "24 organs; the liver without large tumours, so a tumour mask is united with it.",
            {"liver": {"liver": 5}, "lung": dict(zip(LOBES, range(10, 15), strict=True))},
        ),
        ModelPack(
            "liver-lesions",
            "Dataset591_ct_liver_lesions_842subj.zip",
            "v2.5.0-weights",
            "3d_fullres_high",
            LISTED + " Others report limits on commercial use." + CITE,
            "842 CT examinations with liver lesions of any kind: metastases, HCC and benign ones",
            "Marks lesions of any kind, cysts too, and was trained on crops around the liver: marks elsewhere are left out here."
            " Look at every patient on the quality page, or draw the tumour.",
            {"liver_tumour": {"liver_lesions": 1}},
        ),
        ModelPack(
            "lung-nodules",
            "Dataset913_lung_nodules.zip",
            "v2.5.0-weights",
            "3d_fullres",
            LISTED + CITE,
            "CT of the chest with nodules",
            "Nodules, not large masses: draw what it misses.",
            {"lung_tumour": {"lung_nodules": 2}},
        ),
    )
}


def pack_of(name: str) -> ModelPack:
    """A pack by its name or by a target it supplies. Raises FH-348."""
    if name in PACKS:
        return PACKS[name]
    supplying = [pack for pack in PACKS.values() if name in pack.targets]
    if len(supplying) == 1:
        return supplying[0]
    raise problems.PACK_UNKNOWN.problem(f"no model pack is called so; there are: {', '.join(PACKS)}")


@dataclass(frozen=True)
class AddedPack:
    """A pack's folder, its entry for site.yaml, and the label numbers of each target."""

    pack: ModelPack
    folder: Path
    model: SegmentationModel
    targets: dict[str, tuple[int, ...]]

    def as_yaml(self, home: Path) -> str:
        """The lines for site.yaml."""
        inside = self.folder.relative_to(home) if self.folder.is_relative_to(home) else self.folder
        lines = ["segmentation:", "  models:", f"    {self.pack.name}:", f"      folder: {inside.as_posix()}"]
        lines += [
            f"      orientation: {self.model.orientation}",
            f"      folds: [{', '.join(map(str, self.model.folds))}]",
            "      sha256:",
        ]
        lines += [f"        {file}: {digest}" for file, digest in self.model.sha256.items()]
        lines.append("  targets:")
        lines += [
            f"    {target}: {{model: {self.pack.name}, labels: [{', '.join(map(str, numbers))}]}}"
            for target, numbers in self.targets.items()
        ]
        return "\n".join(lines) + "\n"


def add_pack(pack: ModelPack, archive: Path, folder: Path, simulated: bool = False) -> AddedPack:
    """Take a fetched archive apart into `folder`, verify it as every model is verified, and give its entry.

    Raises FH-345 for an archive that is no such model, FH-341 or FH-342 for one that is not safe or not supported, FH-343
    for other labels than the recipe's.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            files = _members(opened, pack)
            make_folder(folder)
            sha256 = {}
            for name, member in files.items():
                data = _bytes(opened, member, pack)
                make_folder((folder / name).parent)
                write_atomic(folder / name, data)
                sha256[name] = hashlib.sha256(data).hexdigest()
    except OSError as error:
        raise access_problem(error, "the model's archive") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError):
        raise _no_model(pack, "the file is no readable zip archive") from None
    folds = tuple(name.split("/")[0].removeprefix("fold_") for name in files if name.startswith("fold_"))
    fold: tuple[int | Literal["all"], ...] = tuple("all" if one == "all" else int(one) for one in folds)
    model = SegmentationModel(folder=folder, folds=fold, sha256=sha256, orientation=pack.orientation)
    return AddedPack(pack, folder, model, labels_of(pack, read_model(pack.name, folder, model, simulated)))


def _no_model(pack: ModelPack, why: str) -> Problem:
    return problems.MODEL_INCOMPLETE.problem(f"the pack {pack.name}: {why}", where="models add")


def _members(opened: zipfile.ZipFile, pack: ModelPack) -> dict[str, zipfile.ZipInfo]:
    """The files that are used, by their name in the model's folder: the one of the recipe's configuration, its first fold."""
    by_path = {PurePosixPath(one.filename): one for one in opened.infolist() if not one.is_dir()}
    folders = [path.parent for path in by_path if path.name == "plans.json" and path.parent / "dataset.json" in by_path]
    wanted = [one for one in folders if one.name.endswith(f"__{pack.configuration}")] or folders
    if len(wanted) != 1:
        raise _no_model(pack, f"{len(wanted)} folders hold plans.json and dataset.json; one is needed")
    here = wanted[0]
    for fold in ("fold_0", "fold_all"):
        checkpoint = here / fold / "checkpoint_final.pth"
        if checkpoint in by_path:
            names = ("dataset.json", "plans.json", f"{fold}/checkpoint_final.pth")
            return {name: by_path[here / name] for name in names}
    raise _no_model(pack, "it holds no fold_0/checkpoint_final.pth and none of fold_all")


def _bytes(opened: zipfile.ZipFile, member: zipfile.ZipInfo, pack: ModelPack) -> bytes:
    limit = JSON_LIMIT if member.filename.endswith(".json") else CHECKPOINT_LIMIT
    with opened.open(member) as source:
        data = source.read(limit + 1)
    if len(data) > limit:
        raise _no_model(pack, "a file of it is larger than any such model's")
    return data


def labels_of(pack: ModelPack, files: ModelFiles) -> dict[str, tuple[int, ...]]:
    """The label numbers of each target, as dataset.json names them. Raises FH-343 where the recipe says otherwise."""
    labels: dict[str, Any] = files.dataset["labels"]
    found = {}
    for target, named in pack.targets.items():
        for name, number in named.items():
            if labels.get(name) != number:
                text = f"the pack {pack.name} states label {number} for {name}, and the file has {labels.get(name, 'none')}"
                raise problems.LABEL_UNKNOWN.problem(text, where=f"segmentation.targets.{target}")
        found[target] = tuple(named.values())
    return found
