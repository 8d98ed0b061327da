"""Every statement of the paper's methods, every table and figure: where it is here, how it is made, whether it is the same.

Statements of the methods are paraphrased, in their order; tables and figures are named by their numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["equal", "differs", "not applicable"]


@dataclass(frozen=True)
class PaperItem:
    """One statement, table or figure: where it is here, how it is made, whether it is the same, and what to know of it."""

    item: str
    file: str
    command: str
    verdict: Verdict
    remark: str = ""


RUN, SITE, NEW = "`fedhcc-coordinator run`", "`fedhcc-site data prepare`", "`fedhcc-coordinator study new --preset paper`"
REPORT = "`fedhcc-coordinator report export`"
PARTS, SURVIVAL = "server/report/parts", "shared_model/survival"

METHODS: tuple[PaperItem, ...] = (
    PaperItem(
        "207 patients of 52 centres in seven countries, 2018 to 2022, retrospective",
        "site_config/study/presets.py",
        NEW,
        "equal",
        "52 hospitals; the patients are those of the study that uses it",
    ),
    PaperItem(
        "ethics approval, waiver of consent", "", "", "not applicable", "a matter of the hospitals; the checklist leaves it to the authors"
    ),
    PaperItem(
        "inclusion: advanced HCC under immunotherapy with baseline and first follow-up CT",
        "client/cohort/patients.py",
        SITE,
        "equal",
        "who enters cohort.csv is the hospital's decision; who lacks what any model needs is out of all",
    ),
    PaperItem(
        "37 centres develop, 15 held out, drawn at random",
        "site_config/study/locking.py",
        "`fedhcc-coordinator study lock`",
        "equal",
        "drawn by a declared seed",
    ),
    PaperItem("development patients split into training and validation", "client/cohort/patients.py", RUN, "differs"),
    PaperItem("outcome: overall survival from the start of treatment", "site_config/study/model.py", NEW, "equal"),
    PaperItem("seven clinical variables", "site_config/study/variables.py", NEW, "equal"),
    PaperItem(
        "CT protocols and scanners of the trial",
        "client/intake",
        SITE,
        "equal",
        "manufacturer, spacing and interval are recorded; phase is chosen by rules",
    ),
    PaperItem(
        "nnU-Net segments liver, lung and tumours", "client/segmentation", SITE, "equal", "the hospital names its model files by digest"
    ),
    PaperItem("three slices with the largest tumour, organ without tumour otherwise", "client/imaging", SITE, "differs"),
    PaperItem("resampling to 5 mm, windows 400/0 and 1,200/−600 HU, 224 × 224", "client/imaging", SITE, "equal"),
    PaperItem("EfficientNet-b0 a organ with 32 features, mean over the slices", "shared_model/networks/rad.py", RUN, "equal"),
    PaperItem("ImageNet weights", "shared_model/networks/pretrained.py", RUN, "differs"),
    PaperItem("two-layer LSTM(32) over two visits, 64 to 8 to 1", "shared_model/networks/rad.py", RUN, "equal"),
    PaperItem("batch normalisation", "shared_model/networks/rad.py", RUN, "differs"),
    PaperItem("dropout 0.1 (Rad-D) and 0.25 (Rad-S), flips with probability 0.5", "site_config/study/prognostic_models.py", RUN, "equal"),
    PaperItem("Cox partial likelihood in batches of 16", "shared_model/survival/loss.py", RUN, "differs"),
    PaperItem("Adam at 5e-5, 200 epochs", "site_config/study/presets.py", RUN, "equal", "1,600 updates"),
    PaperItem("Cox model of the clinical variables (CLN)", "server/phases/cox.py", RUN, "differs"),
    PaperItem("radiological and clinical score fused by a Cox model (RadCLN)", "server/phases/cox.py", RUN, "equal"),
    PaperItem(
        "risk groups at the median training score",
        "shared_model/survival/cutoff.py",
        RUN,
        "equal",
        "the published cut-off's scale is not known",
    ),
    PaperItem(
        "C-index with 95 % intervals", f"{SURVIVAL}/concordance.py", RUN, "equal", "R's concordance; on bins or on shares as the study says"
    ),
    PaperItem("combined C of validation and test", f"{PARTS}/discrimination/concordance.py", RUN, "differs"),
    PaperItem("comparison of C-indices", f"{PARTS}/discrimination/comparisons.py", RUN, "differs"),
    PaperItem("time-dependent AUC at 1 and 2 years", f"{SURVIVAL}/roc.py", RUN, "equal", "timeROC's convention"),
    PaperItem("Kaplan–Meier, log-rank, hazard ratio", f"{SURVIVAL}/kaplan_meier.py", RUN, "equal"),
    PaperItem("nomogram, calibration", f"{SURVIVAL}/nomogram.py", RUN, "equal"),
    PaperItem("RECIST at the first follow-up", f"{PARTS}/risk/response.py", RUN, "equal"),
    PaperItem("Grad-CAM", "shared_model/networks/grad_cam.py", "`fedhcc-site heatmaps`", "equal", "of people inside the hospital alone"),
)
SHOWN: tuple[PaperItem, ...] = (
    PaperItem(
        "Table 1, characteristics",
        f"{PARTS}/patients/characteristics.py",
        REPORT,
        "equal",
        "overall, by set, standardised differences; small counts hidden",
    ),
    PaperItem("Table 2, C-index", f"{PARTS}/discrimination/concordance.py", REPORT, "equal"),
    PaperItem("Table 3, AUC at 1 and 2 years of five models", f"{PARTS}/discrimination/areas.py", REPORT, "equal"),
    PaperItem("Figure 1, flow of patients", f"{PARTS}/patients/flow.py", REPORT, "equal", "exclusions as counts"),
    PaperItem(
        "Figure 2, design of the network",
        "docs/reference/networks.md",
        "",
        "not applicable",
        "the network is described in words",
    ),
    PaperItem(
        "Figure 3, score and risk groups",
        f"{PARTS}/risk/distribution.py",
        REPORT,
        "differs",
        "bins of at least the minimum instead of one bar a patient: a bar a patient lists the patients",
    ),
    PaperItem("Figure 3, Kaplan–Meier", f"{PARTS}/risk/risk_groups.py", REPORT, "equal"),
    PaperItem("Figure 4 a, nomogram with two axes", f"{PARTS}/models/nomogram.py", REPORT, "equal", "beside it one over every variable"),
    PaperItem("Figure 4 b, importance", f"{PARTS}/models/importance.py", REPORT, "equal"),
    PaperItem("Figure 4 c, calibration", f"{PARTS}/models/calibration.py", REPORT, "equal", "every horizon on every set"),
    PaperItem(
        "Figure 5, Grad-CAM",
        f"{PARTS}/conduct/grad_cam.py",
        "`fedhcc-site heatmaps`",
        "differs",
        "in the report of phantoms only: a picture of a patient never leaves a hospital",
    ),
    PaperItem("Figure 6, RECIST progression beside RadCLN-D", f"{PARTS}/risk/response.py", REPORT, "equal"),
    PaperItem(
        "Figure S1, examples of slices",
        "client/imaging",
        "`fedhcc-site heatmaps`",
        "not applicable",
        "pictures of patients never leave a hospital",
    ),
    PaperItem("Figure S2, survival of the sets", f"{PARTS}/patients/set_survival.py", REPORT, "equal", "two by two, with median follow-up"),
    PaperItem("Figure S3, clinical model", f"{PARTS}/models/clinical.py", REPORT, "equal"),
    PaperItem("Figure S4, ROC curves", f"{PARTS}/discrimination/areas.py", REPORT, "equal", "on secret shares the areas alone"),
    PaperItem("Figures S5 and S6, RadCLN-S and Rad-D", f"{PARTS}/risk/risk_groups.py", REPORT, "equal"),
    PaperItem(
        "C-index and hazard ratio by scanner maker",
        f"{PARTS}/risk/subgroups.py",
        REPORT,
        "equal",
        "C where the score is open in the group: on secret shares or with exact tables",
    ),
)
