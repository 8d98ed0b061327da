"""Write the attacks' measured figures into docs/threat-model.md from docs/evidence/attacks.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evidence.meaning import ROOT
from evidence.record import FOLDER
from site_config.files import read_json, write_atomic

PAGE = ROOT / "docs" / "threat-model.md"
BEGIN = "<!-- attacks:"
END = "<!-- end of attacks -->"


def figures(result: Mapping[str, Any]) -> str:
    """The figures of one result in words."""
    found = result["figures"]
    if "unique_hit" in found:
        share = f"{found['unique_hit']:.2f} of {found['unique_patients']:.0f} unique patients, by chance {found['control_unique_hit']:.2f}"
        return f"{share}; excess {found['excess']:.2f} ± {found['excess_se']:.2f}; precision {found['precision']:.0%}"
    return "; ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in found.items())


def rows(piece: Mapping[str, Any]) -> list[str]:
    """The table's lines."""
    lines = ["| | attack | setting | n | verdict | figures |", "|---|---|---|---|---|---|"]
    for result in piece["figures"]["results"]:
        code = f" ({result['code']})" if result["code"] else ""
        cells = (result["attack"], result["title"], result["setting"], result["n"] or "", result["verdict"] + code, figures(result))
        lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    return lines


def main() -> None:
    """Replace what stands between the marks."""
    piece = read_json(FOLDER / "attacks.json")
    text = PAGE.read_text(encoding="utf-8")
    head, rest = text.split(BEGIN, 1)
    mark, rest = rest.split("\n", 1)
    tail = rest.split(END, 1)[1]
    cohorts = f"{len(piece['seeds'])} cohorts each, seeds {min(piece['seeds'])} to {max(piece['seeds'])}"
    measured = f"Measured {piece['date']} on {cohorts} ([evidence](evidence/attacks.json)).\n"
    body = "\n".join([measured, *rows(piece)])
    write_atomic(PAGE, f"{head}{BEGIN}{mark}\n{body}\n{END}{tail}".encode(), mode=0o644)


if __name__ == "__main__":
    main()
