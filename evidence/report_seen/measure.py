"""Evidence: reports and the live page in a browser, as a reader has them: pictures at three widths and in print, and axe's rules on them.

`python -m evidence.report_seen.measure AXE.MIN.JS OUT [REPORT.html ...]` needs Chromium, Python's playwright, LibreOffice, pdfinfo and the
file of axe-core (from the npm registry; it is not part of this repository). It runs the demonstration and a study of a public table under
OUT/runs (a report that is there already is taken as it is), opens their reports, the live page of the first, and further reports that
are named. It writes OUT/NAME-WIDTH.png, OUT/NAME.pdf and one picture a figure for a person to look at, OUT/NAME.docx.pdf, and
docs/evidence/report_seen.json with what axe found, every fold open. What a person saw stands in docs/explanation/report-looked-at.md.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from evidence.record import record
from evidence.running.any_study import say
from evidence.table_studies import gbsg2
from server.report.export.export_folder import export
from server.watch.live_page import LivePage
from server.watch.study_status import result_of
from simulations.cli import app as sim_app

COVERS = [
    "evidence/report_seen/measure.py",
    "server/watch/live_page.py",
    "server/report/report_page.py",
    "server/report/page_blocks.py",
    "server/report/common/figure_style.py",
    "server/report/common/kaplan_meier_drawing.py",
    "server/report/export/word_document.py",
]
WIDTHS = (1400, 1160, 375)
OPEN = "document.querySelectorAll('details').forEach(fold => { fold.open = true })"
CONTRAST = """() => {
  const light = colour => {
    const parts = colour.match(/[0-9.]+/g).slice(0, 3).map(part => part / 255);
    const linear = parts.map(part => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const texts = [...document.querySelectorAll('svg text')].filter(text => text.textContent.trim());
  return Math.min(21, ...texts.map(text => 1.05 / (light(getComputedStyle(text).fill) + 0.05)));
}"""
"""Of text on the white ground of a figure, which axe leaves to a person; 4.5 is what the rules of accessibility ask for."""
LEAST_CONTRAST = 4.5
LIVE = "live page"
LIVER, TABLES = "liver study", "study of a table"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def rules_broken(found: dict[str, Any]) -> dict[str, Any]:
    """Axe's result in few numbers: rules that hold, rules broken with how many elements, and rules it leaves to a person."""
    return {
        "passes": len(found["passes"]),
        "violations": {one["id"]: len(one["nodes"]) for one in found["violations"]},
        "for_a_person": {one["id"]: len(one["nodes"]) for one in found["incomplete"]},
    }


def name_of(page: str) -> str:
    """The folder of a report; the live page is called by its name."""
    return LIVE if page.startswith("http") else Path(page).resolve().parent.name


def opened(view: Any, page: str) -> None:
    """Go to a file or an address; the live page asks for what it shows after it is loaded."""
    view.goto(page if page.startswith("http") else Path(page).resolve().as_uri())
    if page.startswith("http"):
        view.wait_for_timeout(3000)


def made(runs: Path) -> dict[str, Path]:
    """The folders of two finished runs by name: the demonstration, and a public table as a study."""
    if not (table := runs / "gbsg2.csv").exists():
        runs.mkdir(parents=True, exist_ok=True)
        study = gbsg2()
        study.table.to_csv(table, index=False)
        say(sim_app, "from-table", table, "--out", runs / "gbsg2", *study.words)
    for name, words in ((LIVER, ("--preset", "demo")), (TABLES, (runs / "gbsg2",))):
        if not (runs / name / "report.html").exists():
            say(sim_app, "run", *words, "--out", runs / name)
    return {LIVER: runs / LIVER, TABLES: runs / TABLES}


def word_file(run: Path) -> Path:
    """The Word file of `report export` of a finished run."""
    home = run / "coordinator"
    (study,) = (one.name for one in (home / "studies").iterdir())
    return next(path for path in export(result_of(home, study), run / "export") if path.suffix == ".docx")


def live_page(run: Path) -> LivePage:
    """The live page of a run's study, served."""
    home = run / "coordinator"
    (study,) = (one.name for one in (home / "studies").iterdir())
    page = LivePage(home, study, lambda: None)
    page.start()
    return page


def in_libreoffice(document: Path, out: Path, name: str) -> int:
    """Pages of a Word file, as LibreOffice lays them out; OUT/NAME.docx.pdf is left to be looked at."""
    program, counter = shutil.which("soffice"), shutil.which("pdfinfo")
    if program is None or counter is None:
        raise SystemExit("no LibreOffice or no pdfinfo on this machine: install the Debian packages libreoffice-writer and poppler-utils")
    subprocess.run([program, "--headless", "--convert-to", "pdf", "--outdir", str(out), str(document)], check=True, capture_output=True)  # noqa: S603
    made = (out / f"{document.stem}.pdf").rename(out / f"{name}.docx.pdf")
    told = subprocess.run([counter, str(made)], check=True, capture_output=True, text=True).stdout  # noqa: S603
    return int(re.findall(r"^Pages:\s+(\d+)", told, re.MULTILINE)[0])


def seen(browser: Any, page: str, axe: str, out: Path) -> dict[str, Any]:
    """One page at every width and in print."""
    found: dict[str, Any] = {}
    name = name_of(page)
    for width in WIDTHS:
        view = browser.new_page(viewport={"width": width, "height": 1000})
        opened(view, page)
        view.screenshot(path=str(out / f"{name}-{width}.png"), full_page=True)
        for number, figure in enumerate(view.query_selector_all("figure")):
            told = re.sub(r"[^a-z0-9]+", "-", (figure.inner_text() or "").lower())[:40].strip("-")
            figure.screenshot(path=str(out / f"{name}-{width}-{number:02d}-{told}.png"))
        view.evaluate(OPEN)
        view.evaluate(axe)
        found[str(width)] = rules_broken(view.evaluate("axe.run(document, {resultTypes: ['violations', 'incomplete', 'passes']})"))
        found[str(width)]["lowest_contrast_of_text_in_figures"] = round(view.evaluate(CONTRAST), 2)
        found[str(width)]["wider_than_the_window"] = view.evaluate("document.documentElement.scrollWidth > window.innerWidth")
        found[str(width)]["figures"] = len(view.query_selector_all("figure"))
        view.close()
    view = browser.new_page()
    opened(view, page)
    view.emulate_media(media="print")
    view.pdf(path=str(out / f"{name}.pdf"), prefer_css_page_size=True)
    view.close()
    return found


def main() -> int:
    """Look; 1 where axe finds a rule broken or a page is wider than its window."""
    if len(sys.argv) < 3:
        raise SystemExit("python -m evidence.report_seen.measure AXE.MIN.JS OUT [REPORT.html ...]")
    text, out, named = Path(sys.argv[1]).read_text(encoding="utf-8"), Path(sys.argv[2]), sys.argv[3:]
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        raise SystemExit("no Chromium on this machine: install the Debian package chromium")
    from playwright.sync_api import sync_playwright

    runs = made(out / "runs")
    words = {name: in_libreoffice(word_file(run), out, name) for name, run in runs.items()}
    live = live_page(runs[LIVER])
    pages = [*(str(run / "report.html") for run in runs.values()), live.address, *named]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        pages_seen = {name_of(page): seen(browser, page, text, out) for page in pages}
        browser.close()
    live.close()
    views = [one for page in pages_seen.values() for one in page.values()]
    good = not any(one["violations"] or one["wider_than_the_window"] for one in views)
    good = good and all(one["lowest_contrast_of_text_in_figures"] >= LEAST_CONTRAST for one in views)
    version = re.search(r"axe v([\d.]+)", text)
    figures = {
        "axe": version[1] if version else "",
        "pages": pages_seen,
        "pages of Word files in LibreOffice": words,
        "bars": {"axe finds no rule broken, nothing is cut off": good},
    }
    record("report_seen", covers=COVERS, figures=figures, seeds=[7], command="python -m evidence.report_seen.measure AXE.MIN.JS OUT")
    print(figures)
    return int(not good)


if __name__ == "__main__":
    raise SystemExit(main())
