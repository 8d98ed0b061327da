"""Evidence: a report in a browser, as a reader has it: pictures at three widths and in print, and axe's rules on it.

`python -m evidence.report_seen AXE.MIN.JS OUT REPORT.html ...` needs Chromium, Python's playwright and the file of axe-core (from the npm
registry; it is not part of this repository). It writes OUT/NAME-WIDTH.png, OUT/NAME.pdf and one picture a figure for a person to look at,
and docs/evidence/report_seen.json with what axe found, every fold open. What a person saw stands in docs/explanation/report-looked-at.md.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import Any

from evidence.record import record

COVERS = ["evidence/report_seen.py", "server/report/report_page.py", "server/report/page_blocks.py", "server/report/common/figure_style.py"]
WIDTHS = (1400, 1160, 375)
OPEN = "document.querySelectorAll('details').forEach(fold => { fold.open = true })"
CONTRAST = """() => {
  const light = colour => {
    const parts = colour.match(/[0-9.]+/g).slice(0, 3).map(part => part / 255);
    const linear = parts.map(part => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const texts = [...document.querySelectorAll('svg text')].filter(text => text.textContent.trim());
  return Math.min(...texts.map(text => 1.05 / (light(getComputedStyle(text).fill) + 0.05)));
}"""
"""Of text on the white ground of a figure, which axe leaves to a person; 4.5 is what the rules of accessibility ask for."""
LEAST_CONTRAST = 4.5
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


def seen(browser: Any, page: Path, axe: str, out: Path) -> dict[str, Any]:
    """One report at every width and in print."""
    found: dict[str, Any] = {}
    name = page.parent.name
    for width in WIDTHS:
        view = browser.new_page(viewport={"width": width, "height": 1000})
        view.goto(page.resolve().as_uri())
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
    view.goto(page.resolve().as_uri())
    view.emulate_media(media="print")
    view.pdf(path=str(out / f"{name}.pdf"), prefer_css_page_size=True)
    view.close()
    return found


def main() -> int:
    """Look at the named reports; 1 where axe finds a rule broken or a page is wider than its window."""
    axe, out, pages = Path(sys.argv[1]), Path(sys.argv[2]), [Path(name) for name in sys.argv[3:]]
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        raise SystemExit("no Chromium on this machine: install the Debian package chromium")
    from playwright.sync_api import sync_playwright

    out.mkdir(parents=True, exist_ok=True)
    text = axe.read_text(encoding="utf-8")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        pages_seen = {page.parent.name: seen(browser, page, text, out) for page in pages}
        browser.close()
    views = [one for page in pages_seen.values() for one in page.values()]
    good = not any(one["violations"] or one["wider_than_the_window"] for one in views)
    good = good and all(one["lowest_contrast_of_text_in_figures"] >= LEAST_CONTRAST for one in views)
    version = re.search(r"axe v([\d.]+)", text)
    figures = {"axe": version[1] if version else "", "pages": pages_seen, "bars": {"axe finds no rule broken, nothing is cut off": good}}
    record(
        "report_seen", covers=COVERS, figures=figures, seeds=[7], command="python -m evidence.report_seen AXE.MIN.JS OUT REPORT.html ..."
    )
    print(figures)
    return int(not good)


if __name__ == "__main__":
    raise SystemExit(main())
