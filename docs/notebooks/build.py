"""Execute the notebooks and write each as a page with its results: `python docs/notebooks/build.py` from the checkout.

A notebook is kept without results (`NAME.ipynb`); its page (`NAME.md`) and figures (`NAME-1.svg`, …) are what it gave when it was
last executed. `tests/test_notebooks.py` executes all of them and compares what they print; a cell tagged `varies` may print other
numbers on another processor.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
LIMIT_S = 500
NAMES = ("federated-cox", "simulated-study", "own-data", "attack-your-settings")
STYLE = re.compile(r"<style scoped>.*?</style>\n?|<div>\n|\n?</div>| border=\"1\"| style=\"text-align: right;\"", re.DOTALL)


def executed(name: str) -> Any:
    """A notebook with its results, run in an empty folder by a kernel with settings of its own. Raises CellExecutionError."""
    notebook = nbformat.read(HERE / f"{name}.ipynb", as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        for part in ("work", "settings", "ipython", "runtime"):
            (place / part).mkdir()
        (place / "settings" / "matplotlibrc").write_text("svg.hashsalt: fedhcc\nsvg.fonttype: none\n")
        own = {"MPLCONFIGDIR": "settings", "IPYTHONDIR": "ipython", "JUPYTER_RUNTIME_DIR": "runtime"}
        environment = {**os.environ, **{key: str(place / part) for key, part in own.items()}}
        environment["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"  # a caller's, such as Agg, would give no figure
        environment |= {"PYTHONPATH": str(ROOT), "SOURCE_DATE_EPOCH": "0", "OMP_NUM_THREADS": "1", "COLUMNS": "100"}
        client = NotebookClient(notebook, timeout=LIMIT_S, kernel_name="python3", resources={"metadata": {"path": str(place / "work")}})
        kernel = client.create_kernel_manager()
        kernel.transport, kernel.ip = "ipc", str(place / "kernel")  # sockets of this folder, no port
        client.execute(env=environment)
    return notebook


def printed(cell: Any) -> str:
    """What a code cell printed and gave back, as the page shows it, without figures."""
    parts = [_text(output) for output in cell.outputs]
    return "\n".join(part for part in parts if part)


def _text(output: Any) -> str:
    if output.output_type == "stream":
        return f"```text\n{output.text.rstrip()}\n```\n" if output.name == "stdout" else ""
    data = output.get("data", {})
    if "image/svg+xml" in data:
        return ""
    if "text/html" in data:
        return STYLE.sub("", data["text/html"]) + "\n"
    return f"```text\n{data['text/plain']}\n```\n" if "text/plain" in data else ""


def page(name: str, notebook: Any) -> tuple[str, dict[str, str]]:
    """The page's Markdown, and its figures by file name."""
    figures: dict[str, str] = {}
    lines = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            lines.append(cell.source + "\n")
            continue
        lines.append(f"```python\n{cell.source}\n```\n")
        if "varies" in cell.metadata.get("tags", []):
            lines.append("*These numbers depend a little on the processor.*\n")
        lines.append(printed(cell))
        for output in cell.outputs:
            drawn = output.get("data", {}).get("image/svg+xml")
            if drawn:
                file = f"{name}-{len(figures) + 1}.svg"
                figures[file] = drawn
                lines.append(f"![Figure {len(figures)} of this notebook]({file})\n")
    lines.append(f"*Executed from [{name}.ipynb]({name}.ipynb), which you can run as it is.*")
    return "\n".join(line for line in lines if line) + "\n", figures


def main() -> None:
    """Execute the notebooks named on the command line, or all, and write their pages."""
    for name in sys.argv[1:] or NAMES:
        text, figures = page(name, executed(name))
        (HERE / f"{name}.md").write_text(text)
        for file, drawn in figures.items():
            (HERE / file).write_text(drawn)
        print(f"{name}: {len(text)} characters, {len(figures)} figures")


if __name__ == "__main__":
    main()
