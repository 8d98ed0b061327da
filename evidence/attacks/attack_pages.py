"""Write the attacks' measured figures from docs/evidence/attacks.json into their page, and the short table into the threat model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evidence.code_meaning import ROOT
from evidence.record import FOLDER
from site_config.atomic_files import read_json, write_atomic

PAGE, SHORT = ROOT / "docs" / "explanation" / "attacks.md", ROOT / "docs" / "threat-model.md"
BEGIN = "<!-- attacks:"
END = "<!-- end of attacks -->"
LARGEST = 207


def figures(result: Mapping[str, Any]) -> str:
    """The figures of one result in words."""
    found = result["figures"]
    if "unique_hit" in found:
        share = f"{found['unique_hit']:.2f} of {found['unique_patients']:.0f} unique patients, by chance {found['control_unique_hit']:.2f}"
        chance = f", p {found['p']:.3f}" if "p" in found else ""
        elsewhere = f"; independent cohorts {found['independent_unique_hit']:.2f}" if "independent_unique_hit" in found else ""
        return f"{share}{elsewhere}; excess {found['excess']:.2f} ± {found['excess_se']:.2f}{chance}; precision {found['precision']:.0%}"
    return "; ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in found.items())


def rows(piece: Mapping[str, Any]) -> list[str]:
    """The table's lines."""
    lines = ["| | attack | setting | n | verdict | figures |", "|---|---|---|---|---|---|"]
    for result in piece["figures"]["results"]:
        code = f" ({result['code']})" if result["code"] else ""
        cells = (result["attack"], result["title"], result["setting"], result["n"] or "", result["verdict"] + code, figures(result))
        lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    return lines


def short_rows(piece: Mapping[str, Any]) -> list[str]:
    """One line a default at the largest size: hits beside those of the control, and the verdict."""
    lines = ["| | attack at 207 patients | unique patients found, of how many | control | verdict |", "|---|---|---|---|---|"]
    for result in piece["figures"]["results"]:
        if result["setting"] != "default" or result["n"] not in (0, LARGEST):
            continue
        found = result["figures"]
        known = "unique_hit" in found
        hits = f"{found['unique_hit']:.2f} of {found['unique_patients']:.0f}" if known else ""
        control = f"{found['control_unique_hit']:.2f}" if known else ""
        verdict = f"{result['verdict']} ({result['code']})" if result["code"] else result["verdict"]
        lines.append(f"| {result['attack']} | {result['title']} | {hits} | {control} | {verdict} |")
    return lines


def replaced(page: Path, body: str) -> None:
    """Replace what stands between the marks."""
    head, rest = page.read_text(encoding="utf-8").split(BEGIN, 1)
    mark, rest = rest.split("\n", 1)
    tail = rest.split(END, 1)[1]
    write_atomic(page, f"{head}{BEGIN}{mark}\n{body}\n{END}{tail}".encode(), mode=0o644)


def main() -> None:
    """The full table on its page, the short one in the threat model."""
    piece = read_json(FOLDER / "attacks.json")
    cohorts = f"{len(piece['seeds'])} cohorts each, seeds {min(piece['seeds'])} to {max(piece['seeds'])}"
    for page, folder, lines in ((PAGE, "../evidence", rows(piece)), (SHORT, "evidence", short_rows(piece))):
        measured = f"Measured {piece['date']} on {cohorts} ([evidence]({folder}/attacks.json)).\n"
        replaced(page, "\n".join([measured, *lines]))


if __name__ == "__main__":
    main()
