"""`docs/evidence/index.md`: a table of all pieces of evidence, then one section a piece, written from the JSON beside it.

`python -m evidence.index` rewrites the page from whatever pieces are there. What a piece measured is one sentence here;
every figure is the JSON's own, folded away where there are many. A piece that is missing, stale or below a bar says so in the page.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from evidence.code_meaning import ROOT
from evidence.everything import pieces
from evidence.record import FOLDER, stale
from site_config.atomic_files import write_atomic

MEASURED: Final = {
    "ctrl_c": "Ctrl-C of `fedhcc-sim run` at counted moments: how soon it ends, in how many lines, who is left.",
    "any_study": "Studies of tables and the liver study, each through both sides' commands over loopback, beside the pooled fit.",
    "attacks": "What a curious coordinator gets out of everything a study opens at its defaults; each attack also where it must succeed.",
    "capture": "All that hospitals send, in plaintext behind TLS: is anything planted in them found, does one patient change it?",
    "cohort": "The simulated cohorts: their marginals against Xia et al. 2024, and how often 95 % intervals of a Cox model hold the truth.",
    "compare": "Ten ways of training one model on the same patients, tables only: C-index on hospitals nobody saw, seed by seed.",
    "compare_phantom": "Whole studies of phantoms: the federated network against its twin on pooled patients, seed by seed.",
    "containers": "The images as they are built: a canary between containers, their ends by request and by force, health, bad inputs.",
    "distant_hospitals": "A federation 150 ms away: an exchange, a secure sum, a 33-MB round, the analyses of the paper's study.",
    "engines": "The engines beside each other: do they open the same sums and end with the same weights? And on another instruction set?",
    "equality": "Federated against pooled training of the network, round by round: gradients, weights and held-out scores.",
    "extras_alone": "The wheel's contents, and each extra installed alone: its command, its tests, a study beside a stranger's modules.",
    "faults": "A federation of real processes under faults: are the final weights those of the undisturbed run?",
    "flower_speed": "What Flower's transport costs between real processes: an exchange, a secure sum, a round with 33 MB each way.",
    "gpu": "What a GPU does with this code: speed and memory of a step, precision, repeatability, segmentation, memory that runs out.",
    "gradcam": "Do heat maps peak in the tumour more often than chance would have it?",
    "handed_over_scans": "Scans as archives export them, made by generators from outside: right choices, findings, nothing in silence.",
    "imaging": "Segmentation of phantoms, the choice of slices, and what reading a scan costs.",
    "masking": "The secure sum's masks: time and memory for one large update among many hospitals.",
    "dp_networks": "C-index of Rad-D on phantoms trained under differential privacy, by what is trained, patients and ε.",
    "outcome": "Whether a patient died, read from training under differential privacy, beside the bound.",
    "unprotected_outcome": "Whether a patient died, read from a round without noise by who has the images; with and without clipping.",
    "gradient_norm": "What clipping every patient's gradient costs in C, trainings pair by pair.",
    "damages": "Damaged files at the office and at a hospital: how the study ends, and whether any number is another.",
    "dp_utility": "C-index of a linear model under differential privacy against ε, 207 patients at 52 hospitals.",
    "on_shares": "All that commands on tables open on secret shares against pooled rows: public data, cohorts of the paper's size.",
    "paper_table": "Every number of the paper's tables and figures on secret shares beside pooled rows: [the table](paper-table.md).",
    "paper52": "Fifty-two simulated hospitals through every phase of the preset `paper`, with a small network: label, memory, time.",
    "prepare_cost": "What `prepare` costs on a whole-body CT of 600 slices whose masks are supplied: CPU-seconds, memory.",
    "scale": "A masked training round of a small network with one simulated patient a hospital.",
    "shares_cost": "What secret shares cost a holder, by phase and by patients, by days and by weeks, and a hospital that holds nothing.",
    "report_seen": "Reports and the live page in a browser at three widths: axe-core's rules, contrast; Word files in LibreOffice.",
    "signal": "Can the network find what was put into the phantoms, and nothing where nothing was put?",
    "survival": "Intervals of the survival statistics: how often they hold the truth.",
    "thirty_days": "Thirty simulated days of 52 hospitals: office hours, outages, people who leave. Does it end, with the same numbers?",
    "training_step": "Time and memory of one training step.",
    "demo_story": "Twenty cohorts of the demonstration: does the fused model do better than its parts, and does follow-up help?",
    "dp_results": "Survival curves from noised counts: how often their intervals hold the truth, by ε.",
    "extreme_scores": "Scores of every awkward kind through a study on shares: fitted right, or a numbered finding.",
    "frozen52": "A study of the paper's size on shares, and its frozen models at new hospitals, at default minima.",
    "idle": "Half an hour in which nothing is asked: processor time, memory, files and logs of every program.",
    "killed_office": "Office and hospitals killed at counted moments of a study on shares: the same results, and nothing else opened.",
    "lost_holder": "A holder killed at every tenth step of every phase: the same results, and nothing else opened.",
    "nvflare_round": "A masked round with 33 MB each way beside NVIDIA FLARE's plain one, in turns on one machine.",
    "random_faults": "Studies of real processes with faults at random moments, mended by the commands that the screens name.",
    "small_cohorts": "Two hundred random cohorts of 20 to 120 patients with what fits dislike: right, or a numbered finding.",
    "unseen": "Tables that were never used while the arithmetic was written, on shares against pooled rows.",
    "tutorial": "The commands of the two tutorials, run as they stand in the pages.",
}
NO_BAR: Final = {"resumed", "costs less than 0.005", "fitted", "identical", "wider_than_the_window"}
"""Yes-or-no figures of which neither answer is a fault."""
NO_BAR_TOLD: Final = "*No bar*: figures without a yes or no. In brackets: how many bars a piece misses, named in its section."
LONG: Final = 16
"""Numbers of a list, and rows of a table, beyond which the page points to the JSON."""
FOLDED: Final = 25
"""Rows beyond which a piece's figures are folded away."""

HEAD: Final = """<!-- generated by `python -m evidence.index`; edit the code, not this page -->
# Evidence

What was measured, on simulated patients and phantoms unless a section says otherwise. Each piece is a JSON file beside this page with its
figures, seeds, commit, machine and a hash of the code it speaks for: where that code has changed since, the section says so (every
landing checks that this page tells it), and `make evidence-check` fails.
`make evidence` measures everything again (hours). A phantom is not a patient: no figure here says how well the model does in a hospital.
"""


def load(folder: Path) -> dict[str, dict[str, Any]]:
    """Every readable piece by its file's name; files that are no evidence record are left out."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(folder.glob("*.json")):
        try:
            piece = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            continue
        if isinstance(piece, dict) and {"name", "figures", "seeds", "command"} <= set(piece):
            found[path.stem] = piece
    return found


def family(name: str) -> str:
    """The module whose piece this is: `equality_small` is of `equality`."""
    return max((known for known in MEASURED if name == known or name.startswith(f"{known}_")), key=len, default=name)


def number(value: Any) -> str:
    """A figure as the page writes it: numbers to four digits, everything else as it is."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "–"
    if isinstance(value, list):
        return ", ".join(map(number, value))
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value).replace("|", "\\|").replace("\n", " ")


def rows(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Figures as (name, value) pairs, nested names joined with ` · `."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from rows(inner, f"{path} · {key}" if path else str(key))
    elif isinstance(value, list) and any(isinstance(one, dict) for one in value):
        yield path, f"{len(value)} rows, in the JSON"
    elif isinstance(value, list):
        yield path, ", ".join(map(number, value)) if len(value) <= LONG else f"{len(value)} values, in the JSON"
    else:
        yield path, number(value)


def uniform(value: Any) -> bool:
    """Whether a mapping is a table: several inner mappings of plain values with the same fields."""
    if not isinstance(value, dict) or len(value) < 2 or not all(isinstance(one, dict) and one for one in value.values()):
        return False
    fields = [tuple(one) for one in value.values()]
    cells = [cell for one in value.values() for cell in one.values()]
    plain = not any(isinstance(cell, dict) or (isinstance(cell, list) and not all(isinstance(x, str) for x in cell)) for cell in cells)
    return plain and len(set(fields)) == 1


def grid(columns: list[str], lines: list[list[str]]) -> str:
    """A Markdown table."""
    head = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    return "\n".join([*head, *(f"| {' | '.join(line)} |" for line in lines)])


def tables(figures: dict[str, Any]) -> str:
    """All figures of a piece: mappings of one shape as tables, the rest as pairs."""
    pairs: list[tuple[str, str]] = []
    found: list[str] = []

    def sort(name: str, value: Any) -> None:
        listed = isinstance(value, list) and len(value) > 1 and all(isinstance(one, dict) for one in value)
        if listed and len(value) <= LONG and uniform(dict(enumerate(value))):
            found.append(f"{name}:\n\n" + grid(list(value[0]), [[number(cell) for cell in one.values()] for one in value]))
        elif uniform(value):
            lines = [[str(key), *(number(cell) for cell in one.values())] for key, one in value.items()]
            found.append(f"{name}:\n\n" + grid(["", *next(iter(value.values()))], lines))
        elif isinstance(value, dict):
            for key, inner in value.items():
                sort(f"{name} · {key}" if name else str(key), inner)
        else:
            pairs.extend(rows(value, name))

    sort("", figures)
    return "\n\n".join(([grid(["figure", "value"], [list(pair) for pair in pairs])] if pairs else []) + found)


def reconstructed(result: dict[str, Any]) -> str:
    """How many unique patients an attack named, against chance."""
    shown = result.get("figures", {})
    if "unique_hit" not in shown:
        return ""
    found = f"{shown['unique_hit']:.1f} of {shown['unique_patients']:.0f}, by chance {shown['control_unique_hit']:.1f}"
    return f"{found}; excess {shown['excess']:.2f} (se {shown['excess_se']:.2f})"


def attack_table(figures: dict[str, Any]) -> str:
    """The attacks' verdicts, one line a setting, and what was not held."""
    results = figures.get("results", [])
    lines = [
        [
            one["attack"],
            one["title"],
            one["setting"],
            str(one.get("n") or ""),
            f"{one['verdict']} {one.get('code', '')}",
            reconstructed(one),
        ]
        for one in results
        if one["setting"] != "positive control" or not one["holds"]
    ]
    controls = [one for one in results if one.get("setting") == "positive control"]
    working = sum(bool(one.get("holds")) for one in controls)
    said = f"{working} of {len(controls)} positive controls succeed, as they must. {figures.get('note', '')}"
    return said + "\n\n" + grid(["", "attack", "setting", "n", "verdict", "unique patients found"], lines)


def comparison_table(figures: dict[str, Any]) -> str:
    """Each method's C-index and difference to pooled training with its interval."""
    lines = [
        [
            one["scenario"],
            comparison["model"],
            one["method_title"],
            number(one["seeds"]),
            number(one["n"]),
            number(one["held_out"]),
            f"{one['c']:.4f}",
            f"{one['difference']:+.4f}" + ("" if one.get("low") is None else f" ({one['low']:+.4f} to {one['high']:+.4f})"),
        ]
        for comparison in figures["comparisons"]
        for one in comparison["summary"]
    ]
    columns = ["cohort", "model", "method", "seeds", "n", "held out", "C", "to pooled (95 % CI)"]
    return tables({"bars": figures.get("bars", {})}) + "\n\n" + grid(columns, lines)


def misses(value: Any, path: str = "") -> Iterator[str]:
    """Names of bars that were not met: anything false among the figures, or what a piece itself lists as failing."""
    if isinstance(value, dict) and "failing" in value:
        yield from map(str, value["failing"])
    elif isinstance(value, dict):
        for key, inner in value.items():
            if key in NO_BAR:
                continue
            yield from misses(inner, f"{path} · {key}" if path else str(key))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from misses(inner, f"{path} {place + 1}")
    elif value is False:
        yield path


def has_bar(value: Any, name: str = "") -> bool:
    """Whether any figure of a piece is a yes or no that can be missed."""
    if isinstance(value, dict):
        return "failing" in value or any(has_bar(inner, str(key)) for key, inner in value.items())
    if isinstance(value, list):
        return any(has_bar(inner, name) for inner in value)
    return isinstance(value, bool) and name not in NO_BAR


def summary(found: dict[str, dict[str, Any]], old: dict[str, list[str]]) -> str:
    """All pieces in one table: what each says, whether its bar is held, whether it is older than its code."""
    lines = []
    for name, piece in found.items():
        below = len(list(misses(piece["figures"])))
        held = f"**no** ({below})" if below else "yes" if has_bar(piece["figures"]) else "no bar"
        lines.append([f"[{name}](#{name})", sentence(name), held, "**older**" if old[name] else "no"])
    return grid(["piece", "what it says", "bar held?", "older than its code?"], lines)


def sentence(name: str) -> str:
    """What a piece measured."""
    return MEASURED.get(family(name), "No sentence was written for this piece yet.")


def folded(shown: str) -> str:
    """The figures of a piece; many of them behind a line to open, on the forge as on the site."""
    separators = sum(line.startswith("|---") for line in shown.splitlines())
    rows_shown = sum(line.startswith("|") for line in shown.splitlines()) - 2 * separators
    if rows_shown <= FOLDED:
        return shown
    return f'<details markdown="1">\n<summary>All {rows_shown} rows of figures</summary>\n\n{shown}\n\n</details>'


def section(name: str, piece: dict[str, Any], changed: list[str]) -> str:
    """One piece of evidence: what it is, whether it is held and current, its command, its figures."""
    figures = piece["figures"]
    special = {"attacks": attack_table, "compare": comparison_table}.get(name, tables)
    try:
        shown = special(figures)
    except (KeyError, TypeError, ValueError):  # a piece of another shape is still told
        shown = tables(figures)
    seeds = piece["seeds"]
    told = ", ".join(map(str, seeds)) if len(seeds) <= LONG else f"{seeds[0]} to {seeds[-1]} ({len(seeds)})"
    below = list(misses(figures))
    lines = [f"## {name}", "", sentence(name), ""]
    if below:
        lines += [f"**Not held:** {'; '.join(below)}.", ""]
    if changed:
        names = ", ".join(f"`{name}`" for name in changed[:4]) + (" and more" if len(changed) > 4 else "")
        lines += [f"**Older than its code:** {names} changed since.", ""]
    lines += [f"`{piece['command']}` · seeds {told} · {piece.get('date', '')} · [{name}.json]({name}.json)", "", folded(shown), ""]
    return "\n".join(lines)


def page(folder: Path = FOLDER) -> str:
    """The whole page."""
    found = load(folder)
    told = {family(name) for name in found}
    planned = {
        name for name, module in pieces().items() if "record(" in (ROOT / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")
    }
    missing = [name for name in sorted({*MEASURED} | planned) if name not in told]
    below = [name for name, piece in found.items() if list(misses(piece["figures"]))]
    old = {name: stale(folder / f"{name}.json") for name in found}
    lines = [HEAD, "## All pieces", "", summary(found, old), "", NO_BAR_TOLD, "", "## What is missing or below its bar", ""]
    lines += [f"- Not measured yet: {', '.join(f'`{name}`' for name in missing)}." if missing else "- Every planned piece was measured."]
    lines += [f"- A bar not held, said in its section: {', '.join(f'[{n}](#{n})' for n in below)}." if below else "- No bar was missed."]
    unplayed = {name: piece["figures"].get("not_played") for name, piece in found.items() if piece["figures"].get("not_played")}
    lines += [f"- Planned in `{name}` and not played: {', '.join(map(str, what))}." for name, what in unplayed.items()]
    behind = [name for name, changed in old.items() if changed]
    lines += [f"- Older than the code it speaks for: {len(behind)} of {len(found)}, marked in the table."] if behind else []
    return "\n".join([*lines, "", *(section(name, piece, old[name]) for name, piece in found.items())])


def main() -> int:
    """Write the page, or with `--check` say whether it tells what is there: 1 when it does not."""
    path = FOLDER / "index.md"
    if sys.argv[1:] == ["--check"]:
        current = path.read_text(encoding="utf-8") == page()
        print("the evidence page tells what is there" if current else "the evidence page is old: python -m evidence.index")
        return int(not current)
    write_atomic(path, page().encode(), 0o644)
    print(f"wrote {path.name}: {len(load(FOLDER))} pieces")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
