"""A folder that Flower's own command runs: `flwr run FOLDER` carries a study over Flower's simulation engine.

The folder holds an app that ships no code (the installed program runs, as in a hospital), and the study that the app names:
hospitals enrolled, approved and prepared below `study/`. The bundle that `flwr` makes of it holds the README alone: no
table, no scan and no key of the study.
"""

from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path

from shared_model.bundle.model_card import plain
from simulations.study.site_folders import Homes
from site_config.atomic_files import write_atomic
from site_config.problems import host
from site_config.study.plan_and_lock import StudyLock

STUDY = "study"
CPUS = 2
APP = """[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "fedhcc-study"
version = "{version}"
description = "{title}"
license = "Apache-2.0"
dependencies = []

[tool.flwr.app]
publisher = "fedhcc"
fab-include = ["README.md"]

[tool.flwr.app.components]
serverapp = "server.app:app"
clientapp = "client.app:app"

[tool.flwr.app.config]
home = "{home}"
study = "{study}"
sites = "{sites}"
"""
README = """# {title}

A study of fedhcc as a Flower app, on this machine alone. Run it with Flower's own command:

    {command}

All {count} hospitals share one actor, so `client-resources-num-cpus` and `init-args-num-cpus` are equal. The report is
`{report}` when the study is finished; the same command again goes on where it stopped.
"""


def flower_command(folder: Path, sites: int) -> str:
    """What to type: Flower's simulation with a node a hospital."""
    engine = f"num-supernodes={sites} client-resources-num-cpus={CPUS} init-args-num-cpus={CPUS}"
    return f'flwr run {folder} --stream --federation-config "{engine}"'


def write_flower_app(folder: Path, homes: Homes, lock: StudyLock) -> str:
    """Write the app's two files beside the prepared study; gives the command that runs it. Raises FH-902 for an unfit path."""
    sites = [str(home.resolve()) for home in homes.sites().values()]
    if any(os.pathsep in home or '"' in home or "\\" in home for home in sites):
        raise host.USAGE.problem("the folder's path holds a character that Flower's settings cannot carry", fix="Choose another folder.")
    title = lock.study.title.replace("\\", " ").replace('"', "'").replace("\n", " ")
    command = flower_command(folder, len(sites))
    report = homes.coordinator.resolve() / "studies" / lock.study_id / "run" / "report.html"
    values = {"title": title, "home": homes.coordinator.resolve(), "study": lock.study_id, "sites": os.pathsep.join([*sites, ""])}
    write_atomic(folder / "README.md", README.format(title=plain(title), command=command, count=len(sites), report=report).encode(), 0o644)
    write_atomic(folder / "pyproject.toml", APP.format(version=version("fedhcc"), **values).encode(), 0o644)
    return command
