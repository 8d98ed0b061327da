"""Thirty-odd spoiled scans: each a function that writes one below a folder and gives its path, with the code it must lead to."""

from __future__ import annotations

import gzip
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.client.made_scans import body, write_nifti, write_series

HU, MASKS = body((12, 40, 40))
Spoil = Callable[[Path], Path]
HOSTILE: dict[str, tuple[str, Spoil]] = {}


def hostile(code: str) -> Callable[[Spoil], Spoil]:
    def keep(make: Spoil) -> Spoil:
        HOSTILE[make.__name__.replace("_", " ")] = (code, make)
        return make

    return keep


def series(folder: Path, change: Callable[[Any, int], None] | None = None, **tags: Any) -> Path:
    return write_series(folder / "series", HU, change=change, **tags)


def nifti(folder: Path, values: Any = HU, change: Callable[[Any], None] | None = None, name: str = "scan.nii.gz") -> Path:
    return write_nifti(folder / name, values, (5.0, 8.0, 8.0), change)


@hostile("FH-302")
def truncated_dicom(folder: Path) -> Path:
    path = series(folder)
    victim = path / "slice005"
    victim.write_bytes(victim.read_bytes()[:-800])
    return path


@hostile("FH-315")
def wrong_transfer_syntax(folder: Path) -> Path:
    def lie(dataset: Any, k: int) -> None:  # says JPEG 2000 and wraps plain values as its one frame
        from pydicom.encaps import encapsulate

        dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.90"
        dataset.PixelData = encapsulate([dataset.PixelData])
        dataset["PixelData"].VR = "OB"

    return series(folder, lie)


@hostile("FH-315")
def pixel_data_missing(folder: Path) -> Path:
    def drop(dataset: Any, k: int) -> None:
        dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.90"
        dataset.PixelData = b"\xfe\xff\x00\xe0\x00\x00\x00\x00" + b"\xfe\xff\xdd\xe0\x00\x00\x00\x00"
        dataset["PixelData"].VR = "OB"
        dataset["PixelData"].is_undefined_length = True

    return series(folder, drop)


@hostile("FH-316")
def header_without_position(folder: Path) -> Path:
    return series(folder, lambda dataset, k: delattr(dataset, "ImagePositionPatient"))


@hostile("FH-316")
def position_of_words(folder: Path) -> Path:
    path = series(folder)
    for file in path.iterdir():
        file.write_bytes(file.read_bytes().replace(b"-100.0\\-100.0", b"left\\of\\here "))
    return path


@hostile("FH-305")
def dicom_of_zero_spacing(folder: Path) -> Path:
    return series(folder, PixelSpacing=[0, 0])


@hostile("FH-305")
def dicom_header_claiming_65535_columns(folder: Path) -> Path:
    return series(folder, change=lambda dataset, k: setattr(dataset, "Columns", 65535) or setattr(dataset, "BitsAllocated", 0))


@hostile("FH-302")
def dicom_claiming_more_rows_than_it_holds(folder: Path) -> Path:
    return series(folder, change=lambda dataset, k: setattr(dataset, "Rows", 4000))


@hostile("FH-314")
def dicom_claiming_70000_frames(folder: Path) -> Path:
    return series(folder, NumberOfFrames=70000)


@hostile("FH-307")
def one_slice(folder: Path) -> Path:
    return write_series(folder / "series", HU[:1])


@hostile("FH-310")
def all_slices_at_one_place(folder: Path) -> Path:
    return series(folder, ImagePositionPatient=[0.0, 0.0, 0.0])


@hostile("FH-309")
def uneven_slices(folder: Path) -> Path:
    return series(folder, change=lambda dataset, k: setattr(dataset, "ImagePositionPatient", [0.0, 0.0, 5.0 * k + (2.4 if k > 5 else 0)]))


@hostile("FH-316")
def folder_without_files(folder: Path) -> Path:
    (folder / "series").mkdir(parents=True)
    return folder / "series"


@hostile("FH-316")
def folder_of_garbage(folder: Path) -> Path:
    (folder / "series").mkdir(parents=True)
    for k in range(4):
        (folder / "series" / f"f{k}").write_bytes(os.urandom(700))
    return folder / "series"


@hostile("FH-316")
def zero_bytes(folder: Path) -> Path:
    (folder / "series").mkdir(parents=True)
    (folder / "series" / "a.dcm").write_bytes(b"")
    return folder / "series"


@hostile("FH-316")
def dicom_preamble_and_nothing_else(folder: Path) -> Path:
    (folder / "series").mkdir(parents=True)
    (folder / "series" / "a.dcm").write_bytes(b"\0" * 128 + b"DICM")
    return folder / "series"


@hostile("FH-316")
def element_length_of_four_gigabytes(folder: Path) -> Path:
    (folder / "series").mkdir(parents=True)
    header = b"\0" * 128 + b"DICM" + b"\x08\x00\x05\x00" + b"UT\0\0" + struct.pack("<I", 0xFFFFFFF0) + b"x"
    (folder / "series" / "a.dcm").write_bytes(header)
    return folder / "series"


@hostile("FH-316")
def deflated_dicom(folder: Path) -> Path:
    return series(folder, change=lambda dataset, k: setattr(dataset.file_meta, "TransferSyntaxUID", "1.2.840.10008.1.2.1.99"))


@hostile("FH-316")
def colour_dicom(folder: Path) -> Path:
    return series(folder, SamplesPerPixel=3, PhotometricInterpretation="RGB")


@hostile("FH-910")
def symlink_loop(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "a").symlink_to(folder / "b")
    (folder / "b").symlink_to(folder / "a")
    return folder / "a"


@hostile("FH-910")
def series_with_a_link_into_nowhere(folder: Path) -> Path:
    path = series(folder)
    (path / "slice004").unlink()
    (path / "slice004").symlink_to(path / "gone")
    return path


@hostile("FH-306")
def nan_nifti(folder: Path) -> Path:
    values = HU.astype(np.float32)
    values[3, 4, 5] = np.nan
    return nifti(folder, values)


@hostile("FH-306")
def infinite_nifti(folder: Path) -> Path:
    values = HU.astype(np.float32)
    values[3, 4, 5] = np.inf
    return nifti(folder, values)


@hostile("FH-305")
def nifti_of_zero_spacing(folder: Path) -> Path:
    def flat(image: Any) -> None:
        image.header["pixdim"][3] = 0
        image.header["srow_z"] = 0

    path = nifti(folder, name="scan.nii")
    data = bytearray(path.read_bytes())
    data[88:92] = struct.pack("<f", 0.0)  # pixdim[3]
    data[312:328] = struct.pack("<4f", 0, 0, 0, 0)  # srow_z
    path.write_bytes(bytes(data))
    return path


@hostile("FH-305")
def nifti_of_300_mm_slices(folder: Path) -> Path:
    return write_nifti(folder / "scan.nii.gz", HU, (300.0, 8.0, 8.0))


@hostile("FH-303")
def four_dimensional_nifti(folder: Path) -> Path:
    import nibabel

    folder.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(np.zeros((8, 8, 8, 3), np.int16), np.eye(4)), folder / "scan.nii.gz")
    return folder / "scan.nii.gz"


@hostile("FH-303")
def colour_nifti(folder: Path) -> Path:
    import nibabel

    folder.mkdir(parents=True, exist_ok=True)
    values = np.zeros((8, 8, 8), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), folder / "scan.nii.gz")
    return folder / "scan.nii.gz"


@hostile("FH-304")
def nifti_without_orientation(folder: Path) -> Path:
    return nifti(folder, change=lambda image: (image.set_sform(None, 0), image.set_qform(None, 0)))


@hostile("FH-304")
def nifti_whose_forms_disagree(folder: Path) -> Path:
    return nifti(folder, change=lambda image: image.set_qform(np.diag([8.0, -8.0, 5.0, 1.0]), 1))


@hostile("FH-308")
def sheared_nifti(folder: Path) -> Path:
    def shear(image: Any) -> None:
        affine = image.affine.copy()
        affine[1, 2] = 1.5
        image.set_qform(None, 0)
        image.set_sform(affine, 1)

    return nifti(folder, change=shear)


@hostile("FH-302")
def truncated_gzip(folder: Path) -> Path:
    path = nifti(folder)
    path.write_bytes(path.read_bytes()[:-2000])
    return path


@hostile("FH-302")
def nifti_shorter_than_its_header_says(folder: Path) -> Path:
    path = nifti(folder, name="scan.nii")
    path.write_bytes(path.read_bytes()[:5000])
    return path


@hostile("FH-305")
def nifti2_header_claiming_70000(folder: Path) -> Path:
    import nibabel

    folder.mkdir(parents=True, exist_ok=True)
    header = nibabel.Nifti2Header()
    header.set_data_shape((70000, 70000, 70000))
    header.set_data_dtype(np.int16)
    header.set_sform(np.eye(4), 1)
    header["magic"] = b"n+2\0\r\n\032\n"
    with gzip.open(folder / "scan.nii.gz", "wb") as stream:
        stream.write(header.binaryblock + b"\0" * 64)
    return folder / "scan.nii.gz"


@hostile("FH-301")
def text_called_nifti(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "scan.nii").write_text("no image" * 100)
    return folder / "scan.nii"


@hostile("FH-301")
def a_jpeg(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "scan.jpg").write_bytes(b"\xff\xd8\xff\xe0" + b"\0" * 100)
    return folder / "scan.jpg"


@hostile("FH-307")
def nifti_of_one_slice(folder: Path) -> Path:
    return nifti(folder, HU[:1])


@hostile("FH-327")
def windowed_picture(folder: Path) -> Path:
    return nifti(folder, np.clip((HU.astype(float) + 200) / 400 * 255, 0, 255).astype(np.uint8))


@hostile("FH-327")
def constant_volume(folder: Path) -> Path:
    return nifti(folder, np.full_like(HU, -1000))


@hostile("FH-910")
def nothing_there(folder: Path) -> Path:
    return folder / "gone.nii.gz"
