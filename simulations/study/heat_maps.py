"""Where the network looks on phantoms: heat maps of the simulated held-out patients of highest and lowest score.

Only ever of made-up patients: the coordinator of a real study sees no slice, and so its report has no such picture.
"""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from client.training.local_training import scores
from server.study.resume_state import load_arrays
from server.study.study_results import CamPicture, StudyResult
from shared_model.networks.grad_cam import grad_cam
from shared_model.networks.rad_networks import build
from shared_model.networks.weight_vector import from_vector
from simulations.study.pooled_twin import Pool, pool
from simulations.study.site_folders import Homes
from site_config.study.plan_and_lock import StudyLock
from site_config.study.prognostic_models import RAD_D

VISITS = ("baseline", "follow-up")


def add_heat_maps(homes: Homes, lock: StudyLock, result: StudyResult, model: str = RAD_D.name) -> None:
    """Two pictures into `result.simulation.cams`; nothing where the study is not simulated or the network was not trained."""
    if not lock.study.simulated or result.simulation is None or model not in result.weights or lock.study.kind != "develop":
        return
    network = build(lock.study, model)
    path = homes.coordinator / "studies" / lock.study_id / "run" / "training" / f"{model}.final.safetensors"
    from_vector(network, load_arrays(path)[0]["weights"])
    held_out: Pool = pool(homes, lock, "test")
    score = scores(network, held_out)
    if not np.isfinite(score).any():
        return
    names = [organ.name for organ in lock.study.organs]
    for words, row in (("highest", int(np.nanargmax(score))), ("lowest", int(np.nanargmin(score)))):
        images = held_out.images.load(row)
        picture = draw(images, np.asarray(grad_cam(network, images)), names, f"Phantom of {words} {model} score")
        alternative = (
            f"Slices of a simulated patient with the {words} {model} score among {len(score)} held-out phantoms, Grad-CAM in colour."
        )
        result.simulation.cams.append(CamPicture(title=f"Phantom of {words} score ({model})", png_base64=picture, alternative=alternative))


def draw(images: NDArray[np.float32], heat: NDArray[Any], organs: list[str], title: str) -> str:
    """Slices (V, O, S, H, W) in grey with heat maps (V', O, S, H, W) over them, as base64 PNG, marked as simulated."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    visits, n_organs, n_slices = heat.shape[:3]
    figure = Figure(figsize=(1.5 * n_slices * n_organs, 1.75 * visits + 0.5), dpi=110)
    FigureCanvasAgg(figure)
    figure.suptitle(f"SIMULATED · {title}", fontsize=9)
    top = float(heat.max()) or 1.0
    for visit in range(visits):
        for organ in range(n_organs):
            for one in range(n_slices):
                number = visit * n_organs * n_slices + organ * n_slices + one + 1
                axes = figure.add_subplot(visits, n_organs * n_slices, number)
                axes.imshow(images[visit, organ, one], cmap="gray", vmin=-2, vmax=2)
                axes.imshow(
                    heat[visit, organ, one] / top, cmap="inferno", alpha=np.clip(heat[visit, organ, one] / top, 0, 1) * 0.7, vmin=0, vmax=1
                )
                axes.set_axis_off()
                if one == n_slices // 2:
                    axes.set_title(f"{organs[organ]}, {VISITS[visit]}", fontsize=7)
    figure.tight_layout(rect=(0, 0, 1, 0.95))
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return base64.b64encode(buffer.getvalue()).decode()
