from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import typer

from site_config import console
from site_config.problems import host, tables
from site_config.problems.base import Exit, Problem, together
from site_config.tables.csv_text import CsvFaults
from tests.support import ROOT, run_cli

app = typer.Typer(no_args_is_help=True)
SECRET = "/data/Erika Mustermann/ct.nii"


@dataclasses.dataclass
class Point:
    x: float
    where: Path


@app.command()
def shows(as_json: console.Json = False) -> None:
    """Show a table."""
    console.show(
        {"n": 1, "point": Point(float("nan"), Path("a")), "array": np.arange(3)},
        console.table("Title", ("a", "b"), [(1, "[bold]x\x1b[2J")]),
    )


@app.command()
def fails(as_json: console.Json = False) -> None:
    """Fail with two problems."""
    raise together([tables.BLANK.problem("row 2: blank", where="cohort.csv:2"), host.DISK_FULL.problem("no room")])


@app.command()
def breaks(kind: str) -> None:
    """Raise something unexpected."""
    raise {
        "key": KeyError(SECRET),
        "os": PermissionError(13, "no", SECRET),
        "stop": KeyboardInterrupt(),
        "lib": ModuleNotFoundError(name="torchx"),
    }[kind]


@app.command()
def ends(status: int) -> None:
    """End with a status."""
    raise typer.Exit(status)


def test_a_table_takes_texts_literally() -> None:
    ran = run_cli(app, "shows")
    assert ran.status == 0
    assert "[bold]x\\x1b[2J" in ran.out


def test_json_holds_plain_values_only() -> None:
    assert run_cli(app, "shows", "--json").data == {"n": 1, "point": {"x": None, "where": "a"}, "array": [0, 1, 2]}


def test_problems_go_to_standard_error_with_a_status_and_a_page() -> None:
    ran = run_cli(app, "fails")
    assert ran.status == Exit.CONTENT
    assert ran.out == ""
    lines = ran.err.splitlines()
    assert lines[0] == "FH-207 row 2: blank (cohort.csv:2)"
    assert lines[1].startswith("  why: ")
    assert lines[2].startswith("  fix: ")
    assert lines[-1] == "  more: fedhcc-site problem FH-207 FH-914"


def test_problems_as_json() -> None:
    ran = run_cli(app, "fails", "--json")
    assert ran.data["problem"]["code"] == "FH-207"
    assert ran.data["problem"]["others"][0]["name"] == "disk-full"


@pytest.mark.parametrize(("kind", "code", "status"), [("key", "FH-901", 16), ("os", "FH-911", 12), ("lib", "FH-918", 12)])
def test_what_nobody_expected_becomes_a_code_that_says_nothing_of_the_data(kind: str, code: str, status: int) -> None:
    ran = run_cli(app, "breaks", kind)
    assert ran.status == status
    assert ran.err.startswith(code)
    assert "Mustermann" not in ran.err + ran.out
    assert "Traceback" not in ran.err


def test_the_debug_variable_shows_the_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDHCC_DEBUG", "1")
    assert "Traceback" in run_cli(app, "breaks", "key").err


def test_control_c_ends_with_130() -> None:
    ran = run_cli(app, "breaks", "stop")
    assert ran.status == 130
    assert "nothing was left half-written" in ran.err


@pytest.mark.parametrize("status", [0, 1, 15])
def test_exit_statuses_pass_through(status: int) -> None:
    assert run_cli(app, "ends", str(status)).status == status


def test_a_misspelt_command_is_answered_with_the_nearest() -> None:
    ran = run_cli(app, "shwos")
    assert ran.status == Exit.USAGE
    assert "shows" in ran.err
    assert ran.err.count("Did you mean") == 1
    assert ran.err.startswith("FH-902")


def test_no_command_shows_help() -> None:
    ran = run_cli(app)
    assert ran.status == Exit.USAGE
    assert "Show a table." in ran.out + ran.err


def test_many_problems_are_cut_but_counted() -> None:
    lines = console.problem_lines(together([tables.BLANK.problem(f"row {n}, column c{n}: blank") for n in range(500)]))
    assert len(lines) < 80
    assert "… and 440 more; --json lists them all" in lines
    assert "500 problems" in lines


def test_days_beyond_the_grid_are_one_line_with_their_range() -> None:
    faults = CsvFaults("cohort.csv")
    for row, days in ((2, 4321), (3, 9), (5, 4100)):
        faults.add(tables.BEYOND_GRID, row, "last_contact_date", f"is {days:,d} days after treatment; the grid ends at 4,000")
    faults.add(tables.BEYOND_GRID, 6, "last_contact_date", "is 4,400 days after treatment; the grid ends at 5,000")
    lines = [line for line in console.problem_lines(together(faults.problems)) if line.startswith("FH-")]
    assert lines == [
        "FH-237 rows 2, 3, 5, column last_contact_date: is 9 to 4,321 days after treatment; the grid ends at 4,000 (cohort.csv)",
        "FH-237 row 6, column last_contact_date: is 4,400 days after treatment; the grid ends at 5,000 (cohort.csv:6)",
    ]


def test_alike_problems_of_many_rows_are_one_line() -> None:
    where = [tables.BLANK.problem(f"row {n}, column sex: is blank", where=f"cohort.csv:{n}") for n in range(2, 2682)]
    lines = console.problem_lines(together([*where, tables.BLANK.problem("row 5, column age: is blank")]))
    assert lines[0] == "FH-207 rows 2, 3, 4, 5, 6, 7, 8, 9 and 2,672 more, column sex: is blank (cohort.csv)"
    assert [line for line in lines if line.startswith("FH-")][1:] == ["FH-207 row 5, column age: is blank"]
    assert "2681 problems" in lines


def test_a_problem_is_an_ordinary_exception() -> None:
    import copy
    import pickle

    problem = tables.BLANK.problem("x", where="a:1")
    for other in (pickle.loads(pickle.dumps(problem)), copy.copy(problem)):
        assert isinstance(other, Problem)
        assert (other.code, other.what, other.where) == (problem.code, "x", "a:1")
    assert len({problem, problem}) == 1


def test_a_terminal_without_utf8_gets_escapes_and_no_traceback() -> None:
    code = "import typer; from site_config import console; from site_config.problems import host; app = typer.Typer()\n"
    code += "@app.command()\ndef a(): console.show({}, console.table('β', ('≥',), [('λ',)])); raise host.DISK_FULL.problem('λ')\n"
    code += "console.run(app)"
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1:strict"}
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == Exit.ACCESS
    assert ran.stderr.startswith("FH-914 \\u03bb")
    assert "Traceback" not in ran.stderr


def test_every_command_line_tells_its_version() -> None:
    own = typer.Typer()
    console.add_version(own)
    own.command()(shows)
    ran = run_cli(own, "--version")
    assert ran.status == 0
    assert ran.out.startswith("fedhcc")
    assert len(ran.out.split()[-1]) == 64
    assert run_cli(own, "shows").status == 0


@pytest.mark.parametrize(("set_before", "expected"), [(None, "1"), ("3", "3")])
def test_numpys_products_take_one_thread_unless_somebody_says_otherwise(
    set_before: str | None, expected: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "OPENBLAS_NUM_THREADS"
    monkeypatch.setenv(name, "0")
    if set_before is None:
        monkeypatch.delenv(name)
    else:
        monkeypatch.setenv(name, set_before)
    app = typer.Typer()
    app.command()(lambda: print(os.environ[name]))
    monkeypatch.setattr(sys, "argv", ["program"])
    with pytest.raises(SystemExit):
        console.run(app)
    assert capsys.readouterr().out.strip() == expected


@pytest.mark.parametrize("program", ["client", "server", "simulations"])
def test_a_command_line_is_there_before_numpy(program: str) -> None:
    code = f"import sys, {program}.cli; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
