"""Every number of patients, hospitals or deaths below which something stays closed stands in one module, with its reason."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from shared_model.disclosure import limits
from shared_model.disclosure.limits import Limit
from tests.support import ROOT

WHERE = ("shared_model", "server/phases", "server/asking", "server/report", "client/release", "client/statistics", "client/holder")
COUNTS = re.compile(r"^(?!MOST_)(.*_)?(PATIENTS|HOSPITALS|SITES|DEATHS|EVENTS|MEMBERS|FEW|FEWEST|MINIMUM|SMALL)(_.*)?$")
OTHER_MATTERS = {
    ("shared_model/privacy/noise_on_statistics.py", "PATIENTS"): "a range for the noise, which opens nothing",
    ("shared_model/shares/numbers/residues.py", "_FEW"): "how many numbers a reduction takes at once",
    ("shared_model/shares/circuits/plain_numbers.py", "FEWEST_HOLDERS"): "how many holders add noise at least, no patients",
    ("server/report/page_blocks.py", "FEW_PATIENTS"): "folds a panel on the page; what it shows was opened",
    ("server/report/parts/conduct/limitations.py", "FEW_PATIENTS"): "words about a small study",
    ("server/report/parts/conduct/limitations.py", "EVENTS_PER_VARIABLE"): "words about a small study",
}


def numbers_in(path: Path) -> list[str]:
    """Names of the module's constants that are whole numbers and sound like counts of people."""
    found = []
    for node in ast.parse(path.read_text("utf-8")).body:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        value = getattr(node, "value", None)
        if isinstance(value, ast.Constant) and isinstance(value.value, int) and not isinstance(value.value, bool):
            found += [one.id for one in targets if isinstance(one, ast.Name) and COUNTS.search(one.id)]
    return found


def test_no_other_module_has_a_threshold_of_its_own() -> None:
    files = [path for folder in WHERE for path in (ROOT / folder).rglob("*.py") if "disclosure" not in path.parts]
    found = {(str(path.relative_to(ROOT)), name) for path in files for name in numbers_in(path)}
    assert found - set(OTHER_MATTERS) == set()
    assert set(OTHER_MATTERS) <= found, "an exception that is gone stays no longer in this list"


def test_every_limit_has_a_reason() -> None:
    found = {name: one for name, one in vars(limits).items() if isinstance(one, Limit)}
    assert len(found) > 20 and all(one.value > 0 and len(one.reason.split()) >= 5 for one in found.values())
