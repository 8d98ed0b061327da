"""The page for users of R: its lines are run by R itself, and its coefficients are those of R's own `coxph`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT

BLOCK = re.compile(r"```r\n(.*?)```", re.DOTALL)
COMMAND = "import sys; from simulations.cli import main; sys.argv[0] = 'fedhcc-sim'; main()"
HELD = """
theirs <- survival::coxph(survival::Surv(time, status) ~ age + sex + ph.ecog, survival::lung[!is.na(survival::lung$inst), ])
stopifnot(max(abs(coef(theirs) - fit$coef)) < 1e-8, max(abs(sqrt(diag(vcov(theirs))) - fit$se)) < 1e-8)
stopifnot("FH-811" %in% fit$warnings$code)
other <- system2("fedhcc-sim", c("metrics", "--csv", "lung.csv", "--site", "inst", "--time", "time", "--event", "status",
                                 "--score", "ph.ecog", "--json"), stdout = TRUE)
stopifnot(abs(fromJSON(paste(other, collapse = "\\n"))$c_index - 0.606) < 0.001)
wrong <- suppressWarnings(system2("fedhcc-sim", c("cox", "--csv", "lung.csv", "--site", "hospital", "--time", "time", "--event", "status",
                                                  "--covariates", "age", "--json"), stdout = TRUE))
stopifnot(attr(wrong, "status") > 0, c("code", "what", "why", "fix") %in% names(fromJSON(paste(wrong, collapse = "\\n"))$problem))
"""


def has_r() -> bool:
    """Whether R is here with the packages that the page uses."""
    program = shutil.which("Rscript")
    asked = 'q(status = !all(c("jsonlite", "survival") %in% rownames(installed.packages())))'
    return program is not None and subprocess.run([program, "-e", asked], check=False, timeout=60).returncode == 0


def test_the_lines_of_the_page_give_what_coxph_gives(tmp_path: Path) -> None:
    if not has_r():
        reason = "R with jsonlite and survival is not on this machine (Debian: r-base-core r-cran-jsonlite r-cran-survival)"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    program = tmp_path / "fedhcc-sim"
    program.write_text(f'#!/bin/sh\nexec \'{sys.executable}\' -c "{COMMAND}" "$@"\n')
    program.chmod(0o755)
    (lines,) = BLOCK.findall((ROOT / "docs" / "how-to" / "use-from-r.md").read_text("utf-8"))
    environment = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(
        ["Rscript", "-e", lines + HELD], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300, env=environment
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert "0.0112" in ran.stdout and "sex" in ran.stdout
