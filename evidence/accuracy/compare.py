"""Does federation cost accuracy? Twenty paired seeds on tabular cohorts: `python -m evidence.accuracy.compare`.

Linear model in four scenarios and a small network where hospitals differ strongly (about six CPU-minutes). Writes
docs/evidence/compare.json.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict

from evidence.record import record
from simulations.compare.compared_cohorts import ScenarioName
from simulations.compare.compared_methods import default_plan
from simulations.compare.comparison import MethodComparison, compare_simulated
from simulations.compare.tabular_models import ModelName

RUNS: tuple[tuple[ModelName, tuple[ScenarioName, ...]], ...] = (("linear", ("skewed", "mild", "iid", "six-centres")), ("mlp", ("skewed",)))
COVERS = [
    "simulations/compare/compared_cohorts.py",
    "simulations/compare/compared_methods.py",
    "simulations/compare/tabular_models.py",
    "shared_model/survival/broadcast_hazard.py",
    "shared_model/survival/training_loss.py",
]


def bars(comparisons: list[MethodComparison]) -> dict[str, dict[str, object]]:
    """The stated bars beside what was measured, on the strongly skewed cohorts."""
    found: dict[str, dict[str, object]] = {}
    for comparison in comparisons:
        rows = {row.method: row for row in comparison.summaries if row.scenario == "skewed"}
        found[comparison.model] = {
            "ours, 1 step, within 0.001 of pooled full batch": abs(rows["ours-1"].difference) <= 0.001,
            "ours, 5 steps, within 0.006": abs(rows["ours-5"].difference) <= 0.006,
            "local risk sets worse by 0.02": rows["local-5"].difference <= -0.02,
            **{name: round(rows[name].difference, 5) for name in ("ours-1-exact", "ours-1", "ours-5", "local-1", "local-5")},
        }
    return found


def tell(line: str) -> None:
    """Progress to standard error."""
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    """Run all, record, print the bars."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=20)
    seeds = list(range(parser.parse_args().seeds))
    comparisons = [compare_simulated(scenarios, seeds, model, default_plan(model), tell) for model, scenarios in RUNS]
    figures = {
        "bars": bars(comparisons),
        "comparisons": [
            {
                "model": one.model,
                "plan": asdict(one.plan),
                "covariates": list(one.covariates),
                "summary": [asdict(row) for row in one.summaries],
            }
            for one in comparisons
        ],
    }
    path = record("compare", covers=COVERS, figures=figures, seeds=seeds)
    print(path.name, figures["bars"])


if __name__ == "__main__":
    main()
