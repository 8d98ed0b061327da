"""The coordinator's command with a study that ends after training: `python -m evidence.faults.ends_after_training run STUDY ...`.

Fusion and evaluation ask for sums in the way training does; leaving them and the report's page out makes a play three times
shorter. Nothing of this is in the program itself.
"""

from __future__ import annotations

from server.cli import main as start
from server.commands import run as commands
from server.study import run_study as study_run


def main() -> None:
    """Leave the last two phases and the report out and start the command line."""
    setattr(study_run, "fuse", lambda _running: None)  # noqa: B010 - a name the module imports, changed on purpose
    setattr(study_run, "evaluate", lambda _running: None)  # noqa: B010
    setattr(commands, "_report", lambda _home, _study: None)  # noqa: B010
    start()


if __name__ == "__main__":
    main()
