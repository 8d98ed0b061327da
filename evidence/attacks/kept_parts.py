"""Parts of the recorded run, kept as each ends: a run that was interrupted goes on where it was."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from evidence.attacks.all_attacks import Piece
from evidence.attacks.attack_result import AttackResult
from site_config.atomic_files import read_json, write_json
from site_config.study.plan_and_lock import canonical

DOOR = "client/release/"
"""What attacks over cohorts do not go through: they take what a study opens."""


@dataclass(frozen=True)
class KeptParts:
    """Results by piece in a folder; those of another code or other seeds are not taken."""

    folder: Path
    covered: dict[str, dict[str, str]]
    seeds: list[int]

    def digest(self, piece: Piece) -> str:
        """Of the meaning of the code that a piece runs, and the seeds."""
        code = {name: found for name, found in self.covered.items() if piece.n == 0 or not name.startswith(DOOR)}
        return sha256(canonical({"covered": code, "seeds": self.seeds})).hexdigest()

    def path(self, piece: Piece) -> Path:
        """Where a piece's results are kept."""
        return self.folder / f"{piece.name}.json"

    def read(self, piece: Piece) -> tuple[list[AttackResult], float] | None:
        """Results and CPU seconds of a piece that is done; None where it is still to run."""
        path = self.path(piece)
        found = read_json(path) if path.exists() else {}
        if found.get("digest") != self.digest(piece):
            return None
        return [AttackResult(**one) for one in found["results"]], float(found["cpu_seconds"])

    def write(self, piece: Piece, results: list[AttackResult], cpu_seconds: float) -> None:
        """Keep a piece's results."""
        self.folder.mkdir(parents=True, exist_ok=True)
        plain = [dataclasses.asdict(one) for one in results]
        write_json(self.path(piece), {"digest": self.digest(piece), "cpu_seconds": cpu_seconds, "results": plain})
