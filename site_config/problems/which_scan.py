"""Problems 35x and 36x: which scan a patient's slices come from: whose it is, of which day, what kind of image.

Nothing is chosen in silence: where headers, tables and folders contradict each other, a person settles it.
"""

from __future__ import annotations

from site_config.problems.base import Exit, Kind

PERSONS_DIFFER = Kind(
    356,
    "persons-differ",
    "The images of one patient name different persons",
    why="Patient id, birth date or sex in the headers differ between series or visits of one patient, or from cohort.csv: somebody else's images may lie in the folder. Nothing is used before a person has looked.",
    fix="Compare the series that `fedhcc-site data review` names with the archive. Remove the stranger's images; if both are this patient's, answer `1same` (the question's number) or write `yes` into the column `same_person` of scans.csv.",
    exit=Exit.CONTENT,
)
TWO_PATIENTS = Kind(
    357,
    "two-patients",
    "The same examination or person stands under two patients",
    why="Two folders hold the same examination, or images that name the same person: a model would see one person twice, and one of the two outcomes belongs to somebody else.",
    fix="Compare both patients with the archive and correct the folder or the row of cohort.csv that is wrong.",
    exit=Exit.CONTENT,
)
DAY_CONTRADICTS = Kind(
    358,
    "day-contradicts",
    "A scan's own day contradicts the tables",
    why="The acquisition date in the images' headers is not the one that scans.csv states, or it rules the scan out for its visit.",
    fix="Look the examination up in the archive and correct the row of scans.csv, or the moments of cohort.csv.",
    exit=Exit.FINDINGS,
)
PHASE_UNKNOWN = Kind(
    359,
    "phase-unknown",
    "The contrast phase of a scan is not known",
    why="Neither the series' name nor its injection times state a phase, and the study looks at venous scans.",
    fix="Look at the scan; write its phase (native, arterial, portal, delayed) into the column `phase` of scans.csv.",
    exit=Exit.FINDINGS,
)
VOLUMES_MIXED = Kind(
    360,
    "volumes-mixed",
    "Several volumes are mixed in one series",
    why="Slices of several phases or reconstructions alternate in one series, and no header tells which belong together; stacked, they would be one volume of half the spacing.",
    fix="Have the phases exported as series of their own; where `fedhcc-site data review` lists several volumes of a series, write the right number into the column `acquisition` of scans.csv.",
    exit=Exit.CONTENT,
)
DERIVED_USED = Kind(
    361,
    "derived-used",
    "A derived image is used",
    why="The row names a reformatted or computed series (ImageType says DERIVED, or its name an iodine map, a monoenergetic image or a projection); its values may not be those of an original reconstruction.",
    fix="If an original axial reconstruction exists, name it in scans.csv.",
    exit=Exit.FINDINGS,
)
VISIT_UNSUPPLIED = Kind(
    362,
    "visit-unsupplied",
    "A visit of cohort.csv has no usable scan",
    why="cohort.csv states a CT for this visit, and the images folder offers none that can be used for it; the message says what lies there instead.",
    fix="Export the examination from the archive into the patient's folder as axial CT images, then run `fedhcc-site data scan` again.",
    exit=Exit.FINDINGS,
)
ARCHIVE_UNREAD = Kind(
    363,
    "archive-unread",
    "An archive file was not read",
    why="The file is encrypted, damaged, too large, or of a kind that is not read here; zip files without a password are read.",
    fix="Unpack it into the patient's folder, then run the command again.",
    exit=Exit.CONTENT,
)
LINK_UNFOLLOWED = Kind(
    364,
    "link-unfollowed",
    "A link was not followed",
    why="The link leads nowhere, or out of the images folder; files outside it are never read. Pipes, sockets and devices are not opened: reading one may never end.",
    fix="Copy or move the files themselves into the patient's folder below `paths.images`.",
    exit=Exit.CONTENT,
)
MASK_NAME_UNKNOWN = Kind(
    365,
    "mask-name-unknown",
    "A structure set does not say which structure is meant",
    why="The file holds several structures or segments, and none, or more than one, is called like the target.",
    fix="Write the structure's name under `segmentation.targets.TARGET.structures` in site.yaml, as `fedhcc-site data review` lists it.",
    exit=Exit.CONTENT,
)
UNITS = Kind(
    366,
    "units-unproved",
    "A series does not say how its values become Hounsfield units",
    why="Rescale slope, intercept or their type are missing in some of the slices or state another quantity, so tissue of these slices would stand apart from the rest.",
    fix="Export the original series again from the archive; do not mix slices of several exports.",
    exit=Exit.CONTENT,
)
FLAT_SLICE = Kind(
    367,
    "flat-slice",
    "A chosen slice shows nothing",
    why="The slice has one value throughout, or none within the window; normalised it would be all zeros, which no network may see in silence.",
    fix="Look at the scan and its mask; name another series in scans.csv.",
    exit=Exit.CONTENT,
)
TUMOUR_CLEANED = Kind(
    368,
    "tumour-cleaned",
    "More than a twentieth of a model's tumour was left out",
    why="The rule takes model output only where it touches the organ, and drops islands under 100 mm³; here that removed more than 5 % of what the model marked.",
    fix="Look at the patient on the quality page; supply a drawn mask if the removed part is tumour.",
    exit=Exit.FINDINGS,
)
ORGAN_VALUE = Kind(
    369,
    "organ-value",
    "An organ does not have the values it must have",
    why="The median within the organ's mask lies far from any liver's or lung's Hounsfield units: the values are shifted or scaled, or the mask lies elsewhere.",
    fix="Look at the scan with its mask; export the original series again, or correct the mask.",
    exit=Exit.CONTENT,
)
ROW_CONTRADICTS = Kind(
    372,
    "row-contradicts",
    "A row of scans.csv describes a series differently from the series' own header",
    why="The row states another phase or region than the series' own name or injection times. The row is followed; one of the two is wrong.",
    fix="Look at the scan; correct the row of scans.csv. If the row is right, leave it: the remark stays.",
    exit=Exit.FINDINGS,
)
REVIEW_NEWER = Kind(
    373,
    "review-newer",
    "The review of the images is newer than scans.csv, or has open questions",
    why="`data scan` or `data choose` changed the suggested table since it was accepted, or asks which scan is a patient's and nobody answered: scans.csv lacks what was decided, or the patient's scan.",
    fix="Answer what `fedhcc-site data review` asks with `fedhcc-site data choose`, then `fedhcc-site data review --accept --replace`.",
    exit=Exit.FINDINGS,
)
PHASE_DOUBTED = Kind(
    374,
    "phase-doubted",
    "A scan does not show the phase it is called",
    why="The row or the series' own name states a contrast phase, and the vessels, the stated agent or the time after the injection speak against it: unenhanced blood has 30 to 60 Hounsfield units, and where contrast was given much more.",
    fix="Look at the scan; name the right series in scans.csv, or correct the phase. If the phase is right, leave it: the remark stays.",
    exit=Exit.FINDINGS,
)
SLICES_APART = Kind(
    375,
    "slices-apart",
    "Thin slices with gaps between them",
    why="The slices are much thinner than their distance, as in sequential lung scans and thinned exports: what lies between was not imaged, areas and volumes are less certain, and small tumours may be missed.",
    fix="Export the contiguous reconstruction of the examination if the archive has it. If it has none, leave it: the remark stays.",
    exit=Exit.FINDINGS,
)
LOSSY = Kind(
    376,
    "lossy",
    "Images were compressed with loss",
    why="The archive kept these images with a coding that changes values; edges and noise differ from other hospitals' images.",
    fix="Export the original images if the archive still has them. If it has not, leave it: the remark stays.",
    exit=Exit.FINDINGS,
)
TOO_SHORT = Kind(
    377,
    "too-short",
    "A scan is too short or too narrow to hold the organ",
    why="The scan covers less of the body than the organ of its region is long, or its slices are narrower than a body: it is a part of an examination, slices are missing at its ends, or its pixel sizes are in another unit.",
    fix="Look at the series' other parts; export the whole series again, or name the right one in scans.csv.",
    exit=Exit.FINDINGS,
)
NEITHER_VISIT = Kind(
    378,
    "neither-visit",
    "Scans that belong to neither visit",
    why="These scans were taken between the visits, after the follow-up or long before the baseline, as cohort.csv states their days; a scan after the first dose is never a baseline.",
    fix="Nothing, if the days in cohort.csv are right. If one of these is the visit's scan, correct the day in cohort.csv, then `fedhcc-site data scan`.",
    exit=Exit.FINDINGS,
)
IMAGES_SINCE = Kind(
    379,
    "images-since",
    "Images came, went or changed after the suggestion was made",
    why="`data scan` suggested the table from the images that lay there then; a file of these folders was added, removed or written since. The suggestion and its pictures may speak of other images than those that would be used.",
    fix="Run `fedhcc-site data scan` again; answers stand where the same scans are asked about.",
    exit=Exit.FINDINGS,
)
