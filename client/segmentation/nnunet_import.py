"""Imports nnU-Net (12 CPU-seconds) once, in the process that worker processes are forked from."""

import contextlib
import io

with contextlib.redirect_stdout(io.StringIO()):
    import nnunetv2.inference.predict_from_raw_data
    import nnunetv2.training.nnUNetTrainer.nnUNetTrainer  # noqa: F401
