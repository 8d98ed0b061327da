"""Every statement of the paper's methods, every table and figure: where it is here, how it is made, whether it is the same.

Statements of the methods are paraphrased, in their order; tables and figures are named by their numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["equal", "differs", "not applicable"]


@dataclass(frozen=True)
class PaperItem:
    """One statement, table or figure: where it is here, how it is made, whether it is the same, and what to know of it.

    `test` holds an *equal*: a test, `FILE::NAME` under tests/, or a piece of evidence, `python -m evidence...`.
    """

    item: str
    file: str
    command: str
    verdict: Verdict
    remark: str = ""
    test: str = ""


RUN, SITE, NEW = "`fedhcc-coordinator run`", "`fedhcc-site data prepare`", "`fedhcc-coordinator study new --preset paper`"
REPORT = "`fedhcc-coordinator report export`"
PARTS, SURVIVAL = "server/report/parts", "shared_model/survival"
PRESET = "server/report/test_paper.py::test_the_preset_holds_the_papers_settings"
PRINTED = "python -m evidence.accuracy.paper_table"
NETWORKS = "shared_model/networks/test_rad_networks.py::test_eval_outputs_and_parameter_counts_equal_the_published_networks"

METHODS: tuple[PaperItem, ...] = (
    PaperItem(
        "207 patients of 52 centres in seven countries, 2018 to 2022, retrospective",
        "site_config/study/study_presets.py",
        NEW,
        "equal",
        "52 hospitals; the patients are those of the study that uses it",
        test=PRESET,
    ),
    PaperItem(
        "ethics approval, waiver of consent", "", "", "not applicable", "a matter of the hospitals; the checklist leaves it to the authors"
    ),
    PaperItem(
        "inclusion: advanced HCC under immunotherapy with baseline and first follow-up CT",
        "client/cohort/prepared_cohort.py",
        SITE,
        "equal",
        "who enters cohort.csv is the hospital's decision; who lacks what any model needs is out of all",
        test="client/cohort/test_prepare_cohort.py::test_patients_without_complete_images_stay_in_the_clinical_statistics",
    ),
    PaperItem(
        "37 centres develop, 15 held out, drawn at random",
        "site_config/study/lock_study.py",
        "`fedhcc-coordinator study lock`",
        "equal",
        "drawn by a declared seed",
        test="site_config/study/test_lock_study.py::test_written_roles_stay_and_the_rest_is_drawn",
    ),
    PaperItem("development patients split into training and validation", "client/cohort/prepared_cohort.py", RUN, "differs"),
    PaperItem("outcome: overall survival from the start of treatment", "site_config/study/plan_and_lock.py", NEW, "equal", test=PRESET),
    PaperItem("seven clinical variables", "site_config/study/clinical_variables.py", NEW, "equal", test=PRESET),
    PaperItem(
        "CT protocols and scanners of the trial",
        "client/intake",
        SITE,
        "equal",
        "manufacturer, spacing and interval are recorded; phase is chosen by rules",
        test="client/intake/test_dicom.py::test_phase_from_injection_times",
    ),
    PaperItem(
        "nnU-Net segments liver, lung and tumours",
        "client/segmentation",
        SITE,
        "equal",
        "the hospital names its model files by digest",
        test="client/segmentation/test_safe_load.py::test_a_genuine_folder_gives_the_labels_nnunet_itself_gives",
    ),
    PaperItem("three slices with the largest tumour, organ without tumour otherwise", "client/imaging", SITE, "differs"),
    PaperItem(
        "resampling to 5 mm, windows 400/0 and 1,200/−600 HU, 224 × 224",
        "client/imaging",
        SITE,
        "equal",
        test="client/imaging/test_slices.py::test_area_resize_window_and_normalisation_equal_monai",
    ),
    PaperItem(
        "EfficientNet-b0 a organ with 32 features, mean over the slices",
        "shared_model/networks/rad_networks.py",
        RUN,
        "equal",
        test=NETWORKS,
    ),
    PaperItem("ImageNet weights", "shared_model/networks/pretrained_weights.py", RUN, "differs"),
    PaperItem("two-layer LSTM(32) over two visits, 64 to 8 to 1", "shared_model/networks/rad_networks.py", RUN, "equal", test=NETWORKS),
    PaperItem("batch normalisation", "shared_model/networks/rad_networks.py", RUN, "differs"),
    PaperItem(
        "dropout 0.1 (Rad-D) and 0.25 (Rad-S), flips with probability 0.5",
        "site_config/study/prognostic_models.py",
        RUN,
        "equal",
        test=PRESET,
    ),
    PaperItem("Cox partial likelihood in batches of 16", "shared_model/survival/training_loss.py", RUN, "differs"),
    PaperItem("Adam at 5e-5, 200 epochs", "site_config/study/study_presets.py", RUN, "equal", "1,600 updates", test=PRESET),
    PaperItem("Cox model of the clinical variables (CLN)", "server/phases/clinical_and_fusion.py", RUN, "differs"),
    PaperItem(
        "radiological and clinical score fused by a Cox model (RadCLN)",
        "server/phases/clinical_and_fusion.py",
        RUN,
        "equal",
        test="shared_model/analyses/phases/test_fusion_plan.py::test_every_fit_is_the_pooled_one",
    ),
    PaperItem(
        "risk groups at the median training score",
        "shared_model/survival/cutoff.py",
        RUN,
        "equal",
        "the published cut-off's scale is not known",
        test="shared_model/analyses/scores/test_cutoff_on_shares.py::test_splits_as_the_pooled_median",
    ),
    PaperItem(
        "C-index with 95 % intervals",
        f"{SURVIVAL}/concordance.py",
        RUN,
        "equal",
        "R's concordance; on bins or on shares as the study says",
        test="shared_model/analyses/test_cindex_on_shares.py::test_equals_the_pooled_index_and_its_error",
    ),
    PaperItem(
        "p beside a C-index: score test of the score",
        f"{PARTS}/discrimination/cindex_table.py",
        RUN,
        "equal",
        "each set by itself; on bins their mean scores",
        test="shared_model/analyses/scores/test_score_test_on_shares.py::test_equals_the_pooled_test",
    ),
    PaperItem("combined C of validation and test", f"{PARTS}/discrimination/cindex_table.py", RUN, "differs"),
    PaperItem("comparison of C-indices", f"{PARTS}/discrimination/model_comparisons.py", RUN, "differs"),
    PaperItem(
        "time-dependent AUC at 1 and 2 years",
        f"{SURVIVAL}/roc.py",
        RUN,
        "equal",
        "timeROC's convention",
        test="shared_model/survival/test_metrics.py::test_auc_and_standard_error_equal_timeroc",
    ),
    PaperItem(
        "Kaplan–Meier, log-rank, hazard ratio",
        f"{SURVIVAL}/kaplan_meier.py",
        RUN,
        "equal",
        test="shared_model/analyses/groups/test_kaplan_meier_on_shares.py::test_equals_pooled_curves_and_tests",
    ),
    PaperItem(
        "nomogram, calibration",
        f"{SURVIVAL}/nomogram.py",
        RUN,
        "equal",
        test="server/report/test_metrics_json.py::test_the_published_nomogram_has_two_axes_and_predicts_the_same",
    ),
    PaperItem(
        "RECIST at the first follow-up",
        f"{PARTS}/risk/recist_response.py",
        RUN,
        "equal",
        test="shared_model/analyses/phases/test_evaluation_plan.py::test_progression_of_validation_and_test_together",
    ),
    PaperItem(
        "Grad-CAM",
        "shared_model/networks/grad_cam.py",
        "`fedhcc-site heatmaps`",
        "equal",
        "of people inside the hospital alone",
        test="shared_model/networks/test_grad_cam.py::test_the_map_finds_the_only_thing_that_raises_the_score",
    ),
)
SHOWN: tuple[PaperItem, ...] = (
    PaperItem(
        "Table 1, characteristics",
        f"{PARTS}/patients/table1_characteristics.py",
        REPORT,
        "equal",
        "overall, by set, standardised differences; small counts hidden",
        test=PRINTED,
    ),
    PaperItem("Table 2, C-index", f"{PARTS}/discrimination/cindex_table.py", REPORT, "equal", test=PRINTED),
    PaperItem("Table 3, AUC at 1 and 2 years of five models", f"{PARTS}/discrimination/auc_and_roc.py", REPORT, "equal", test=PRINTED),
    PaperItem("Figure 1, flow of patients", f"{PARTS}/patients/patient_flow.py", REPORT, "equal", "exclusions as counts", test=PRINTED),
    PaperItem(
        "Figure 2, design of the network",
        "docs/reference/networks.md",
        "",
        "not applicable",
        "the network is described in words",
    ),
    PaperItem(
        "Figure 3, score and risk groups",
        f"{PARTS}/risk/score_distribution.py",
        REPORT,
        "differs",
        "bins of at least the minimum instead of one bar a patient: a bar a patient lists the patients",
    ),
    PaperItem("Figure 3, Kaplan–Meier", f"{PARTS}/risk/risk_groups.py", REPORT, "equal", test=PRINTED),
    PaperItem(
        "Figure 4 a, nomogram with two axes",
        f"{PARTS}/models/nomogram_figure.py",
        REPORT,
        "equal",
        "beside it one over every variable",
        test="server/report/test_metrics_json.py::test_the_published_nomogram_has_two_axes_and_predicts_the_same",
    ),
    PaperItem("Figure 4 b, importance", f"{PARTS}/models/variable_importance.py", REPORT, "equal", test=PRINTED),
    PaperItem(
        "Figure 4 c, calibration", f"{PARTS}/models/calibration_figure.py", REPORT, "equal", "every horizon on every set", test=PRINTED
    ),
    PaperItem(
        "Figure 5, Grad-CAM",
        f"{PARTS}/conduct/heat_map_figure.py",
        "`fedhcc-site heatmaps`",
        "differs",
        "in the report of phantoms only: a picture of a patient never leaves a hospital",
    ),
    PaperItem("Figure 6, RECIST progression beside RadCLN-D", f"{PARTS}/risk/recist_response.py", REPORT, "equal", test=PRINTED),
    PaperItem(
        "Figure S1, examples of slices",
        "client/imaging",
        "`fedhcc-site heatmaps`",
        "not applicable",
        "pictures of patients never leave a hospital",
    ),
    PaperItem(
        "Figure S2, survival of the sets",
        f"{PARTS}/patients/set_survival.py",
        REPORT,
        "equal",
        "two by two, with median follow-up",
        test=PRINTED,
    ),
    PaperItem("Figure S3, clinical model", f"{PARTS}/models/clinical_cox_model.py", REPORT, "equal", test=PRINTED),
    PaperItem(
        "Figure S4, ROC curves",
        f"{PARTS}/discrimination/auc_and_roc.py",
        REPORT,
        "differs",
        "on secret shares a point at every tenth of specificity: a point a score would order the patients; that curve where every hospital"
        " chose exact",
    ),
    PaperItem("Figures S5 and S6, RadCLN-S and Rad-D", f"{PARTS}/risk/risk_groups.py", REPORT, "equal", test=PRINTED),
    PaperItem(
        "C-index and hazard ratio by scanner maker",
        f"{PARTS}/risk/subgroup_table.py",
        REPORT,
        "equal",
        "C where the score is open in the group: on secret shares or with exact tables",
        test=PRINTED,
    ),
)
