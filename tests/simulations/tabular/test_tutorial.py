"""The tutorial's code runs, prints what it says, and is as short as it claims."""

import contextlib
import io
import re

from tests.support import ROOT

PAGE = ROOT / "docs" / "tutorials" / "federated-cox-in-20-lines.md"


def test_the_tutorial_runs_and_prints_what_it_shows():
    text = PAGE.read_text(encoding="utf-8")
    first, second = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    shown = re.search(r"It prints\n\n```text\n(.*?)```", text, re.DOTALL).group(1)
    assert len([line for line in first.splitlines() if line.strip()]) <= 20
    names, printed = {}, io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(first, str(PAGE), "exec"), names)
        exec(compile(second, str(PAGE), "exec"), names)
    lines = printed.getvalue().splitlines()
    assert "\n".join(lines[:-1]).strip() == shown.strip()
    assert lines[-1] == "largest difference: below 0.001 standard errors"
