"""A hook of the site's builder: links to files of the repository beside `docs/` are held against the checkout and lead to its browser.

Pages are read on the forge too, where such a link works as it stands.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)(#[^)]*)?\)")


def on_page_markdown(markdown: str, page: Any, **_kwargs: Any) -> str:
    """The page with links out of `docs/` as plain names; a link to a file that is not there is left for the builder to report."""
    here = Path(page.file.abs_src_path).parent

    def outside(found: re.Match[str]) -> str:
        target = (here / found[1]).resolve()
        inside = target.is_relative_to(ROOT / "docs")
        if target.is_dir() and inside and (target / "README.md").exists():
            return f"]({found[1].rstrip('/')}/README.md)"
        shown = inside and target.suffix not in ("", ".py") and target.is_file()
        if shown or not target.exists():
            return found[0]
        return f'](# "{target.relative_to(ROOT)}")'

    return LINK.sub(outside, markdown)
