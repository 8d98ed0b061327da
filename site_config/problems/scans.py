"""Problems 3xx: scans, slices and the prepared cohort (34x stand in `segmentation`).

Kinds with `Exit.FINDINGS` are remarks on a scan that is used all the same; kinds with `Exit.CONTENT` mean that the scan
cannot be used. Files that cannot be opened at all are access problems (9xx), never these.
"""

from __future__ import annotations

from site_config.problems.base import Exit, Kind

# --- a file or folder that is no usable CT volume -------------------------------------------------------------------
NOT_AN_IMAGE = Kind(
    301,
    "not-an-image",
    "A file is not a medical image the program reads",
    why="The file opens, but it is neither a DICOM object nor a NIfTI image; its first bytes belong to something else.",
    fix="Point the `path` of the scan's row at a folder of DICOM files or at a .nii or .nii.gz file, then run `fedhcc-site data prepare` again.",
    exit=Exit.CONTENT,
)
IMAGE_INCOMPLETE = Kind(
    302,
    "image-incomplete",
    "An image ends before its data do",
    why="The header announces more data than the file holds, or its compressed data are damaged: the file was cut off while it was copied or exported.",
    fix="Export the scan again from the archive (PACS) and replace the file, then run `fedhcc-site data prepare` again.",
    exit=Exit.CONTENT,
)
NOT_A_VOLUME = Kind(
    303,
    "not-a-volume",
    "An image is not one three-dimensional grey volume",
    why="The file has another number of dimensions (a single picture, a time series) or colours; a CT scan here is one grey volume.",
    fix="Export the CT series itself, one volume a file, and name that file in `scans.csv`.",
    exit=Exit.CONTENT,
)
NO_ORIENTATION = Kind(
    304,
    "no-orientation",
    "An image does not say which way up the patient lies",
    why="A NIfTI file states the orientation in its sform or qform; here both are empty, or they contradict each other, so left and right cannot be distinguished.",
    fix="Convert the DICOM series again with a converter that writes sform or qform (dcm2niix does), or name the DICOM folder in `scans.csv`.",
    exit=Exit.CONTENT,
)
IMPLAUSIBLE_GEOMETRY = Kind(
    305,
    "implausible-geometry",
    "An image states an impossible size or spacing",
    why="The header announces a voxel size of zero, less than 0.1 mm or more than 20 mm, a value that is not a number, more voxels than any CT scanner makes, slices wider than a scanner's opening, pixels that are not square, or a length beyond a person's. Nothing was read beyond the header.",
    fix="Check the header with the archive's viewer and export the series again; a NIfTI file in metres or micrometres must say so in its units.",
    exit=Exit.CONTENT,
)
NOT_FINITE = Kind(
    306,
    "not-finite",
    "An image holds values that are no numbers",
    why="Some voxels are NaN or infinite. A conversion or an earlier resampling produced them; they would spread through every later step.",
    fix="Export the original series again; do not replace the values by hand.",
    exit=Exit.CONTENT,
)
TOO_FEW_SLICES = Kind(
    307,
    "too-few-slices",
    "A series has too few slices to be a volume",
    why="Fewer than three axial positions cannot be resampled to a 5 mm grid.",
    fix="Check whether the export was cut short; export the whole series again, or name another series in `scans.csv`.",
    exit=Exit.CONTENT,
)
GANTRY_TILT = Kind(
    308,
    "gantry-tilt",
    "A series was taken with a tilted gantry",
    why="The slices are shifted against each other by the tilt. Readers stack them as if they stood upright, which shears the volume and every area measured in it; this version does not correct tilt.",
    fix="Name a series without tilt in `scans.csv`, or one that the radiology department has corrected.",
    exit=Exit.CONTENT,
)
SLICES_MISSING = Kind(
    309,
    "slices-missing",
    "Several slices of a series are missing",
    why="The positions along the patient have gaps of more than one slice, or more than one gap, or slices between others show nothing at all. One missing slice is interpolated at its true position; more is refused, because a tumour may lie there.",
    fix="Export the whole series again from the archive, then run `fedhcc-site data prepare` again.",
    exit=Exit.CONTENT,
)
SAME_POSITION = Kind(
    310,
    "same-position",
    "Different slices of a series lie at one position",
    why="Files with different pixels state the same position, so they belong to different phases or reconstructions that share one series number; the headers do not say which of them belong together.",
    fix="Have the phases exported as series of their own; `fedhcc-site data review` lists the volumes of a series that can be separated, with their number for the column `acquisition`.",
    exit=Exit.CONTENT,
)
SLICE_INTERPOLATED = Kind(
    311,
    "slice-interpolated",
    "One missing slice was interpolated",
    why="One position of the series has no file. The volume is interpolated between its neighbours at their true positions, and the patient is flagged.",
    fix="If the archive has the slice, export the series again and run `fedhcc-site data prepare`; otherwise look at the patient's contact sheet.",
    exit=Exit.FINDINGS,
)
DUPLICATE_FILES = Kind(
    312,
    "duplicate-files",
    "A series holds copies of the same slice",
    why="Several files hold the same pixels at the same position; one of each is used. Readers that count them as slices get a wrong spacing.",
    fix="Nothing has to be done; if the remark should not appear again, remove the copies from the export folder.",
    exit=Exit.FINDINGS,
)
NOT_AXIAL_CT = Kind(
    313,
    "not-axial-ct",
    "A series is not an axial CT series",
    why="It is a localizer, a screen capture, a dose report, a derived image, another modality or another object (structures, segmentations), so it is left out.",
    fix="Nothing has to be done unless this should have been the scan; then name the right series in `scans.csv`.",
    exit=Exit.FINDINGS,
)
ENHANCED_MULTIFRAME = Kind(
    314,
    "enhanced-multiframe",
    "A scan is an enhanced multi-frame object",
    why="Enhanced CT stores a whole series, often several phases, in one object; this version reads classic CT images, one file a slice.",
    fix="Run `dcm2niix -z y -o NEW_FOLDER OLD_FOLDER` and put the new folder in its place, or have the archive export classic CT image storage ('legacy' or 'single-frame').",
    exit=Exit.CONTENT,
)
CANNOT_DECODE = Kind(
    315,
    "cannot-decode",
    "The pixels of a series cannot be decoded",
    why="The header reads but the pixels do not: their compression differs from what the header states, is unknown here, or the pixel data are missing.",
    fix="Export the series as 'Explicit VR Little Endian' (uncompressed) or JPEG 2000 lossless, then run `fedhcc-site data prepare` again.",
    exit=Exit.CONTENT,
)
NO_CT_SERIES = Kind(
    316,
    "no-ct-series",
    "A folder holds no axial CT series",
    why="Every file in the folder was something else: another modality, a localizer, a report, or no DICOM at all.",
    fix="Check the scan's `path` in `scans.csv`; `fedhcc-site data scan` lists what each folder holds and why it was left out.",
    exit=Exit.CONTENT,
)
SEVERAL_SERIES = Kind(
    317,
    "several-series",
    "A folder holds several CT series that fit equally",
    why="More than one series could be the scan, and no rule tells them apart. The program never chooses silently between equals.",
    fix="Run `fedhcc-site data review`, look at the candidates, and write the right one into `scans.csv`: its SeriesInstanceUID into `series_uid` and, where one series holds several volumes, its number into `acquisition`.",
    exit=Exit.CONTENT,
)
CHOICE_OPEN = Kind(
    318,
    "choice-open",
    "A scan needs a person's choice",
    why="Two scans of one visit and region are equally eligible by the documented rules.",
    fix="Run `fedhcc-site data review`, choose, and keep only the chosen row in `scans.csv` or name its phase.",
    exit=Exit.CONTENT,
)
OBLIQUE = Kind(
    319,
    "oblique",
    "A series is not axial",
    why="The slices stand at more than the permitted angle to the body's axis (coronal, sagittal or strongly oblique reformats).",
    fix="Name the axial reconstruction of the same scan in `scans.csv`.",
    exit=Exit.CONTENT,
)
MASK_MISMATCH = Kind(
    320,
    "mask-mismatch",
    "A mask does not lie on its scan",
    why="The mask's size, spacing, position or direction differs from the scan's, so the two cannot be laid on each other; a mask drawn on another series or phase does this.",
    fix="Export the mask on the very series that the row names; do not resample it by hand.",
    exit=Exit.CONTENT,
)
MASK_VALUES = Kind(
    321,
    "mask-values",
    "A mask holds values that are no labels",
    why="A mask's voxels are whole numbers of 0 or more; this file holds fractions, negative numbers or no numbers, as a probability map or an interpolated mask does.",
    fix="Export the mask as labels (0 and 1, or whole numbers named in `segmentation.targets` of `site.yaml`).",
    exit=Exit.CONTENT,
)
NO_MASK_SOURCE = Kind(
    322,
    "no-mask-source",
    "Nothing says where a mask comes from",
    why="The study needs this target, but `segmentation.targets` in `site.yaml` names neither a model nor `masks: true` for it, and the row of `scans.csv` supplies no mask of the organ.",
    fix="Map the target to a model's labels or to masks under `segmentation.targets` in `site.yaml`; see docs/how-to/prepare-a-cohort.md.",
    exit=Exit.CONFIGURATION,
)
ORGAN_EMPTY = Kind(
    323,
    "organ-empty",
    "No organ was found in a scan",
    why="The segmentation holds no voxel of the organ: the scan shows another part of the body, the mask is empty, or the model failed on it.",
    fix="Look at the scan; correct its `region` in `scans.csv`, supply a mask, or name another series.",
    exit=Exit.CONTENT,
)
ORGAN_PARTIAL = Kind(
    324,
    "organ-partial",
    "An organ is cut off by the edge of a scan",
    why="The organ touches the first or last slice with more than a tenth of its largest area, runs along the border of the picture, or its volume is too small for a whole organ: an abdomen scan holds the lungs' bases, a chest scan the liver's dome.",
    fix="If a scan of the same visit shows the whole organ, add its row to `scans.csv`; the scan with the largest organ is used.",
    exit=Exit.FINDINGS,
)
ORGAN_IMPLAUSIBLE = Kind(
    325,
    "organ-implausible",
    "An organ's volume is not plausible",
    why="The segmented volume lies outside what an adult's organ can have; the segmentation probably failed or the mask belongs to something else.",
    fix="Look at the patient's contact sheet (`fedhcc-site data show`); supply a corrected mask if the outline is wrong.",
    exit=Exit.FINDINGS,
)
FEW_ORGAN_SLICES = Kind(
    326,
    "few-organ-slices",
    "An organ fills fewer slices than the study chooses",
    why="The organ appears in fewer 5 mm slices than wanted, so slices are repeated and the patient is flagged.",
    fix="Look at the patient's contact sheet; name a scan that shows more of the organ if there is one.",
    exit=Exit.FINDINGS,
)
NOT_HOUNSFIELD = Kind(
    327,
    "not-hounsfield",
    "A volume does not look like Hounsfield units",
    why="A CT volume holds air near −1000 and tissue near 0 to 100; this one holds neither, so it was windowed, normalised, or lost its rescale slope.",
    fix="Export the original CT series; a picture that was windowed for viewing cannot be used.",
    exit=Exit.CONTENT,
)

# --- which scan belongs to which visit ------------------------------------------------------------------------------
CARRIED_FORWARD = Kind(
    330,
    "carried-forward",
    "A follow-up chest scan is missing; the baseline slices stand in",
    why="The study declares `missing_followup_chest: carry_forward`. The patient is flagged and counted, and the report says how many.",
    fix="If the follow-up chest scan exists, add its row to `scans.csv` and run `fedhcc-site data prepare` again.",
    exit=Exit.FINDINGS,
)
NO_BASELINE = Kind(
    331,
    "no-baseline-imaging",
    "A patient has no usable baseline scan of an organ",
    why="No row of `scans.csv` supplies it, or none of the named scans could be used. The patient stays in the clinical statistics and takes no part in the imaging models.",
    fix="Read the patient's other findings with `fedhcc-site data show`, supply the scan, and run `fedhcc-site data prepare` again.",
    exit=Exit.FINDINGS,
)
NO_FOLLOWUP = Kind(
    332,
    "no-followup-imaging",
    "A patient has no usable follow-up scan of an organ",
    why="No row of `scans.csv` supplies it, or none of the named scans could be used, and the study declares no substitute. The patient stays in the clinical statistics and takes no part in the imaging models.",
    fix="Read the patient's other findings with `fedhcc-site data show`, supply the scan, and run `fedhcc-site data prepare` again.",
    exit=Exit.FINDINGS,
)
INTERVAL_OUTSIDE = Kind(
    333,
    "interval-outside",
    "The time between the two visits lies outside the study's window",
    why="The study declares how many days may lie between baseline and first follow-up; this patient's interval is shorter or longer.",
    fix="Check the days in `scans.csv`; if they are right, leave them: the patient is kept and the remark stays.",
    exit=Exit.FINDINGS,
)
SCANNER_DIFFERS = Kind(
    334,
    "scanner-differs",
    "The two visits were taken on scanners of different manufacturers",
    why="Changes between visits may then partly be changes of the scanner.",
    fix="Nothing has to be done; the remark is kept with the patient.",
    exit=Exit.FINDINGS,
)
PHASE_DIFFERS = Kind(
    335,
    "phase-differs",
    "The two visits were taken in different contrast phases",
    why="A lesion's contrast depends on the phase, so its change over time may be a change of the phase.",
    fix="If a scan in the venous phase exists for both visits, add it to `scans.csv`; it is preferred.",
    exit=Exit.FINDINGS,
)
THICKNESS_DIFFERS = Kind(
    336,
    "thickness-differs",
    "The slices of the two visits differ in spacing",
    why="The slice spacing differs by more than half, which changes how small lesions look after resampling to the study's grid.",
    fix="If reconstructions of similar spacing exist for both visits, name them in `scans.csv`.",
    exit=Exit.FINDINGS,
)
MASK_DOUBTFUL = Kind(
    339,
    "mask-doubtful",
    "A mask does not look like its organ",
    why="The mask has its scan's size and place, and what it outlines is not what an organ or its tumour looks like: it may be drawn on another phase or patient, mirrored or shifted, exported for a part of the slices, or organ and tumour were exchanged.",
    fix="Look at the patient's contact sheet (`fedhcc-site data show`). If the outline is wrong, export the mask again on the very series that the row names, then `fedhcc-site data prepare`; if it is right, leave it: the remark stays.",
    exit=Exit.FINDINGS,
)
TILT_STATED = Kind(
    329,
    "tilt-stated",
    "A header states a tilted gantry, and positions that stand upright",
    why="The header's angle of the gantry and the positions of its slices contradict each other. Either the series was corrected for the tilt, or its positions lost it and the volume is sheared.",
    fix="Look at the series from the side: an upright spine means corrected, and nothing has to be done. Otherwise name another series in `scans.csv`.",
    exit=Exit.FINDINGS,
)
NOT_VENOUS = Kind(
    337,
    "not-venous",
    "No scan in the portal venous phase",
    why="The study looks at portal venous scans; the one that is used states another phase.",
    fix="If a venous scan of the same visit exists, add its row to `scans.csv`.",
    exit=Exit.FINDINGS,
)
MANY_PATIENTS = Kind(
    338,
    "many-patients",
    "The files of one scan belong to several patients",
    why="The DICOM headers of one folder or series state more than one patient. Nothing is read from it until a person has looked at it.",
    fix="Separate the export by patient, one folder each, and name the right folder in `scans.csv`.",
    exit=Exit.CONTENT,
)
# --- the prepared cohort --------------------------------------------------------------------------------------------
NOT_PREPARED = Kind(
    350,
    "not-prepared",
    "The cohort has not been prepared for this study",
    why="The site names scans, but its prepared folder is empty, or was made for other imaging settings, other scans or another model.",
    fix="Run `fedhcc-site data prepare --study study.yaml`; what is still valid is kept.",
    exit=Exit.CONTENT,
)
PREPARED_DAMAGED = Kind(
    351,
    "prepared-damaged",
    "A prepared file is damaged",
    why="A file in the prepared folder cannot be read or does not fit its index; it was edited, or the storage damaged it.",
    fix="Run `fedhcc-site data prepare --study study.yaml`; only damaged files are made again.",
    exit=Exit.CONTENT,
)
KEY_UNKNOWN = Kind(
    352,
    "key-unknown",
    "No patient has this key",
    why="The key is neither in `cohort.csv` nor in the prepared index.",
    fix="List the keys with `fedhcc-site data show`.",
    exit=Exit.CONTENT,
)
PREPARE_RUNNING = Kind(
    353,
    "prepare-running",
    "Another `data prepare` is at work in this state folder",
    why="Two of them would do the same work twice. The lock belongs to a living process and goes away with it.",
    fix="Wait until the other one has ended.",
    exit=Exit.ACCESS,
)
MISSING_REFUSED = Kind(
    354,
    "missing-scan-refused",
    "The study does not permit patients without this scan",
    why="The study declares `refuse` for a missing chest scan, and some patients of this site lack it.",
    fix="Supply the scans that `fedhcc-site data show` lists, or ask the coordinator whether the study should declare another rule.",
    exit=Exit.CONTENT,
)
SECRET_DAMAGED = Kind(
    355,
    "secret-damaged",
    "The site's secret is damaged",
    why="state/secret must hold 32 bytes; patients' keys are made with it.",
    fix="Restore state/secret from a backup of the state folder; with a new secret the cohort must be prepared again and the release ledger no longer recognises the patients.",
    exit=Exit.CONTENT,
)
SCANS_OVERLAP = Kind(
    328,
    "scans-overlap",
    "Two scans show the same slices",
    why="At least three axial slices are equal, pixel by pixel: the same scan stands in two rows, one is cut out of the other, or two "
    "patients were given the same images. A model would see one patient twice, or no change between visits.",
    fix="Compare the two rows of scans.csv with the archive and correct the one that is wrong, then `fedhcc-site data prepare`.",
    exit=Exit.FINDINGS,
)
