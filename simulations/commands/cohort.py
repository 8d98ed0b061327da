"""`fedhcc-sim cohort` writes a simulated study; `fedhcc-sim phantom-models` trains and lists its tiny segmenters."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from site_config.console import Json, json_wanted, note, show, table
from site_config.words_of_messages import plural

if TYPE_CHECKING:
    from simulations.cohort.write_cohort import CohortSummary

models = typer.Typer(help="The tiny nnU-Net models of the phantoms: fit for phantoms only.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("cohort")(cohort)
    app.add_typer(models, name="phantom-models")


def cohort(
    out: Annotated[Path, typer.Argument(help="New folder for the study, its hospitals and the truth.")],
    preset: Annotated[str, typer.Option(help="demo, tiny, paper or clinical-only.")] = "demo",
    seed: Annotated[int, typer.Option(help="The same seed gives the same patients.")] = 7,
    sites: Annotated[tuple[int, int] | None, typer.Option(help="Development and evaluation hospitals.")] = None,
    patients: Annotated[tuple[int, int] | None, typer.Option(help="Their patients together.")] = None,
    skew: Annotated[float | None, typer.Option(min=0, max=1, help="How far hospitals differ in survival.")] = None,
    events: Annotated[float | None, typer.Option(min=0.05, max=0.99, help="Share of patients who die under observation.")] = None,
    lone: Annotated[int | None, typer.Option(min=0, help="Development hospitals of exactly one patient, at least.")] = None,
    largest: Annotated[int | None, typer.Option(min=1, help="Most patients a hospital may have.")] = None,
    missing_chest: Annotated[float | None, typer.Option(min=0, max=1, help="Share of patients without a follow-up chest CT.")] = None,
    image_effect: Annotated[float | None, typer.Option(min=0, max=4, help="Effect of tumour burden and growth.")] = None,
    lesion_contrast: Annotated[float | None, typer.Option(min=0, max=5, help="Multiplies lesions' contrast; 0: no lesions.")] = None,
    scanner_shift: Annotated[float | None, typer.Option(min=0, max=3, help="Multiplies what tells scanners apart.")] = None,
    file_format: Annotated[str | None, typer.Option("--format", help="nifti or dicom.")] = None,
    masks: Annotated[bool, typer.Option("--masks", help="Supply the true masks instead of segmenters.")] = False,
    tilt: Annotated[int, typer.Option(min=0, help="DICOM: patients whose gantry is tilted.")] = 0,
    gaps: Annotated[int, typer.Option(min=0, help="DICOM: patients whose series lack slices.")] = 0,
    workers: Annotated[int, typer.Option(min=1, help="Processes that draw phantoms.")] = 2,
    as_json: Json = False,
) -> None:
    """Make up patients, their CT and their survival, and write what each hospital would hold."""
    from simulations.cohort.cohort_presets import CohortChange
    from simulations.cohort.write_cohort import make_cohort

    change = CohortChange(
        sites=sites,
        patients=patients,
        skew=skew,
        event_fraction=events,
        lone_sites=lone,
        largest_site=largest,
        followup_chest_missing=missing_chest,
        image_effect=image_effect,
        lesion_contrast=lesion_contrast,
        scanner_shift=scanner_shift,
        format=file_format,
        masks=masks,
        tilt=tilt,
        gaps=gaps,
    )
    summary = make_cohort(change.applied(preset, seed), out, seed, workers=workers)
    show(summary.as_dict(), None if json_wanted() else _summary(summary))


def _summary(summary: CohortSummary) -> Any:
    rows: list[tuple[object, ...]] = [
        (name, oracle.n, oracle.events, f"{oracle.c_index:.3f}", f"{oracle.image_c_index:.3f}") for name, oracle in summary.oracle.items()
    ]
    lone = sum(size == 1 for size in summary.sites.values())
    everybody = f"{plural(summary.patients, 'made-up patient')} at {plural(len(summary.sites), 'hospital')} ({lone} of one patient)"
    return table(
        f"{summary.preset}: {everybody}, {plural(summary.scans, 'scan')}",
        ("patients", "n", "events", "oracle C", "images alone"),
        rows,
        caption="The oracle C is what the true risk reaches; nothing can be expected to do better on average.",
    )


@models.command("train")
def train(
    out: Annotated[Path, typer.Argument(help="Folder for the model folders `liver` and `lung`.")],
    steps: Annotated[
        int | None, typer.Option(min=1, help="Training steps of each model; left out: what the models of the project had.")
    ] = None,
    held_out: Annotated[int, typer.Option(min=1, help="Fresh phantoms on which the Dice is measured.")] = 20,
    as_json: Json = False,
) -> None:
    """Train the two tiny segmenters on phantoms (about two CPU-minutes) and measure them on fresh ones."""
    import torch

    from simulations.cohort.nnunet_models import TASKS, TrainingOptions, evaluate, list_hashes
    from simulations.cohort.nnunet_models import train as train_one
    from site_config.atomic_files import write_json

    torch.set_num_threads(1)
    options = TrainingOptions() if steps is None else TrainingOptions(steps=steps)
    figures = {}
    for task in TASKS:
        note(f"training {task.name}")
        train_one(task, out / task.name, options)
        figures[task.name] = evaluate(task, out / task.name, range(10, 10 + held_out), options.contrast)
    write_json(out / "models.json", {"fit_for": "phantoms only", "sha256": list_hashes(out)})
    rows = [(name, f.phantoms, round(f.organ_dice, 3), round(f.tumour_dice, 3), f.tumour_cases) for name, f in figures.items()]
    show(figures, table("Dice on fresh phantoms", ("model", "phantoms", "organ", "tumour > 1 ml", "of them"), rows))


@models.command("warm-start")
def warm_start(out: Annotated[Path, typer.Argument(help="safetensors file to write.")], as_json: Json = False) -> None:
    """Train the demonstration's first weights on lesion areas of phantoms (about one and a half CPU-minutes)."""
    import hashlib

    import torch

    from simulations.cohort.warm_start import make

    torch.set_num_threads(1)
    figures: dict[str, object] = dict(make(out))
    figures["sha256"] = hashlib.sha256(out.read_bytes()).hexdigest()
    show(figures, table("Correlation of found and true log areas on phantoms kept aside", ("part", "reached"), list(figures.items())))


@models.command("list")
def list_(as_json: Json = False) -> None:
    """The committed models with the SHA-256 of every file."""
    from simulations.cohort.nnunet_models import list_hashes
    from simulations.cohort.write_cohort import MODELS

    hashes = list_hashes(MODELS)
    lines = [f"{digest}  {folder}/{name}" for folder, files in hashes.items() for name, digest in files.items()]
    show(hashes, "\n".join(["Fit for phantoms only (sha256, file)", *lines]))
