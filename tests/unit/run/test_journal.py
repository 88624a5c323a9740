"""`status`: what a journal and a store say of a run, while it goes on and afterwards."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the run extra is not installed")

from safetycase import canonical
from safetycase.cli.main import main
from safetycase.errors import RunFailed, UsageError
from safetycase.run.engines.local import InProcess
from safetycase.run.journal import Journal, journal, read_status
from safetycase.run.progress import Silent
from safetycase.run.units import Store, Unit

PLANNED = {"first": 6, "second": 40}
DIGEST = "ab" * 32


def begun(work: Path) -> AbstractContextManager[Journal]:
    work.mkdir(exist_ok=True)
    return journal(work, "plan-1", DIGEST, workers=2, planned=PLANNED)


def units(fails: int | None = None) -> list[Unit]:
    def work(number: int) -> bytes:
        if number == fails:
            raise ValueError("no")
        return b"%d\n" % number

    return [Unit({"n": n}, 2, lambda n=n: work(n)) for n in range(4)]


def measure(out: Path, *, fails: int | None = None) -> None:
    """A step of four units, one of which may fail for good."""
    chosen = units(fails)
    with begun(out / "work") as written:
        written.step("first", [(unit.key, unit.rows) for unit in chosen])
        store = Store(out / "work" / "units", written)
        InProcess().run_units(chosen, store, Silent())
        [inside] = read_status(out)
        assert (inside.state, inside.rows_done) == ("running", 8)
        written.finished()


def test_a_run_that_stopped_tells_what_is_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RunFailed):
        measure(tmp_path, fails=2)
    [status] = read_status(tmp_path)
    assert status.state == "stopped"
    assert [(s.name, s.rows, s.rows_done) for s in status.steps] == [
        ("first", 8, 4),
        ("second", 40, 0),
    ]
    assert status.steps[1].units is None
    assert set(status.seconds) == {unit.key for unit in units()[:2]}
    assert main(["status", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "plan-1  stopped" in said
    assert "2 of 4 units, 4 of 8 rows, 50%" in said
    assert "not begun, 40 answers planned" in said
    assert "4 of 48 rows, 8%" in said


def test_a_run_that_goes_on_and_ends_is_finished(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RunFailed):
        measure(tmp_path, fails=3)
    measure(tmp_path)
    assert main(["status", str(tmp_path), "--json"]) == 0
    told = canonical.read(capsys.readouterr().out.encode(), where="status")
    [run] = told["runs"]
    assert (run["state"], run["seconds_left"], run["workers"]) == ("finished", None, 2)
    assert run["steps"][0] == {
        "step": "first", "units": 4, "units_done": 4, "rows": 8, "rows_done": 8,
    }  # fmt: skip


def test_the_time_left_is_that_of_all_workers(tmp_path: Path) -> None:
    """Two units of two rows took three seconds each: 4/3 rows a second by two workers."""
    keys = [unit.key for unit in units()]
    with begun(tmp_path / "work") as written:
        written.step("first", [(key, 2) for key in keys])
        store = Store(tmp_path / "work" / "units", written)
        for key in keys[:2]:
            store.write(key, b"", seconds=3.0)
    [status] = read_status(tmp_path)
    assert status.rows_a_second == pytest.approx(4 / 3)
    assert status.seconds_left == pytest.approx((4 + 40) * 3 / 4)


def test_another_run_at_work_is_refused(tmp_path: Path) -> None:
    work = tmp_path / "work"
    with begun(work), pytest.raises(UsageError, match="found one at work"), begun(work):
        pass
    with begun(work):
        pass


def test_a_line_that_was_cut_off_is_passed_over(tmp_path: Path) -> None:
    measure(tmp_path)
    [file] = (tmp_path / "work").glob("journal-*.jsonl")
    os.truncate(file, file.stat().st_size - 5)
    [status] = read_status(tmp_path)
    assert (status.state, status.rows_done) == ("stopped", 8)


def test_a_folder_without_a_run_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", str(tmp_path)]) == 2
    assert "expected a folder that a run was begun in" in capsys.readouterr().err
