"""One record from every engine: this process, several, a Ray cluster; killed workers or not."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from safetycase import canonical
from safetycase.errors import RunFailed
from safetycase.methods.probe import LinearProbe
from safetycase.methods.sites import Place
from safetycase.run.answers import Bench
from safetycase.run.bind import RunOptions, bind
from safetycase.run.edit import BASELINE_EDIT, ArmEdit, Preface
from safetycase.run.engines.choose import open_engine
from safetycase.run.engines.frames import read_frame, write_frame
from safetycase.run.engines.local import InProcess
from safetycase.run.engines.options import EngineOptions
from safetycase.run.engines.pool import Pool, Reply
from safetycase.run.freeze import freeze
from safetycase.run.items import read_items
from safetycase.run.journal import read_status
from safetycase.run.measure import unit_of
from safetycase.run.progress import Silent
from safetycase.run.task import Task, read_task, write_task
from safetycase.run.units import Store, Unit
from safetycase.tables.rows import ItemRow
from tests.unit.run.test_pipeline import timeless, write_plan
from tests.unit.run.tiny_world import Tiny

pytestmark = pytest.mark.run

REPOSITORY = Path(__file__).resolve().parents[3]
CASE = "tiny-case.safetycase"
RAY = pytest.mark.skipif(
    find_spec("ray") is None, reason="Ray is not installed: `make cluster-test` installs it"
)


def started(plan: Path, out: Path, *more: object) -> subprocess.Popen[str]:
    """`safetycase run` in a process of its own."""
    paths = [str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "safetycase", "run", str(plan), "--out", str(out)),
            *("--threads", "1", "--batch-rows", "96"),
            *map(str, more),
        ],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(process: subprocess.Popen[str]) -> str:
    """What it said on the way; it must have made a case."""
    _, said = process.communicate(timeout=900)
    assert process.returncode == 0, said
    return said


@pytest.fixture(scope="module")
def plan(tiny: Tiny) -> Path:
    return write_plan(tiny)


@pytest.fixture(scope="module")
def alone(plan: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The case that one process makes."""
    out = tmp_path_factory.mktemp("alone")
    finished(started(plan, out))
    return out / CASE


def descendants(process: int) -> Iterator[int]:
    """Processes below a process, by what the kernel says of their parents."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
    below = [process]
    while below:
        for child in parents.get(below.pop(), []):
            below.append(child)
            yield child


def workers_of(process: int, name: str) -> list[int]:
    found = []
    for child in descendants(process):
        try:
            command = Path(f"/proc/{child}/cmdline").read_bytes().decode()
        except OSError:
            continue
        if name in command:
            found.append(child)
    return sorted(found)


def kill_one_worker(process: subprocess.Popen[str], out: Path, name: str) -> None:
    """SIGKILL, once a third of the work or so has come back."""
    units = out / "work" / "units"
    while process.poll() is None and len(list(units.glob("*.jsonl"))) < 8:
        time.sleep(0.005)
    assert process.poll() is None, "the run ended before a worker could be killed"
    os.kill(workers_of(process.pid, name)[0], signal.SIGKILL)


def test_two_processes_give_the_bytes_of_one(alone: Path, plan: Path, tmp_path: Path) -> None:
    finished(started(plan, tmp_path, "--workers", 2))
    assert timeless(tmp_path / CASE) == timeless(alone)
    [status] = read_status(tmp_path)
    assert (status.state, status.workers) == ("finished", 2)
    assert status.rows_done == status.rows
    assert all(step.units and step.done == set(step.units) for step in status.steps)
    assert {unit for step in status.steps for unit in step.units or {}} == set(status.seconds)


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="finds workers in /proc")
def test_a_killed_process_changes_nothing(alone: Path, plan: Path, tmp_path: Path) -> None:
    process = started(plan, tmp_path, "--workers", 2)
    kill_one_worker(process, tmp_path, "bench_worker")
    said = finished(process)
    assert re.search(r"failed and is tried again: its worker ended, status -9", said)
    assert timeless(tmp_path / CASE) == timeless(alone)


@RAY
def test_a_ray_cluster_gives_the_bytes_of_one(alone: Path, plan: Path, tmp_path: Path) -> None:
    finished(started(plan, tmp_path, "--engine", "ray", "--workers", 2))
    assert timeless(tmp_path / CASE) == timeless(alone)


@RAY
def test_a_killed_actor_changes_nothing(alone: Path, plan: Path, tmp_path: Path) -> None:
    process = started(plan, tmp_path, "--engine", "ray", "--workers", 2)
    kill_one_worker(process, tmp_path, "ray::_Far")
    said = finished(process)
    assert "failed and is tried again: its worker was lost" in said
    assert timeless(tmp_path / CASE) == timeless(alone)


@pytest.mark.skipif(find_spec("ray") is not None, reason="Ray is installed")
def test_without_ray_the_engine_is_refused(plan: Path, tmp_path: Path) -> None:
    process = started(plan, tmp_path / "out", "--engine", "ray")
    _, said = process.communicate(timeout=300)
    assert process.returncode == 2
    assert said.count("\n") == 1
    assert "pip install 'safetycase[run,cluster]'" in said
    assert not (tmp_path / "out").exists()


def test_a_cluster_for_local_processes_is_refused(plan: Path, tmp_path: Path) -> None:
    process = started(plan, tmp_path / "out", "--cluster", "somewhere:1")
    _, said = process.communicate(timeout=300)
    assert process.returncode == 2
    assert "give --engine ray" in said


@pytest.fixture(scope="module")
def bench(plan: Path, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    cache = tmp_path_factory.mktemp("cache")
    return bind(freeze(plan), cache, RunOptions(threads=1, batch_rows=96)).bench


@pytest.fixture(scope="module")
def items(plan: Path) -> Sequence[ItemRow]:
    frozen = freeze(plan)
    return read_items(frozen.plan, frozen.digest, frozen.datasets).of("requests", "tuning")


def unit(bench: Bench, items: Sequence[ItemRow]) -> Unit:
    return unit_of(bench, bench.plan.evaluations[0], items, [BASELINE_EDIT], None)


def processes(plan: Path, bench: Bench, tmp_path: Path) -> Pool:
    frozen = freeze(plan)
    options = EngineOptions(workers=2)
    pool = open_engine(options, plan, frozen, tmp_path, bench, Silent())
    assert isinstance(pool, Pool)
    return pool


@pytest.mark.parametrize("engine", ["here", "processes"])
def test_a_unit_that_fails_three_times_is_reported_and_the_rest_is_kept(
    engine: str, plan: Path, bench: Bench, items: Sequence[ItemRow], tmp_path: Path
) -> None:
    """The third unit's prompt spells a BOS, which is refused wherever it is measured."""
    broken = ItemRow(
        *[*(getattr(items[0], f) for f in items[0].__struct_fields__[:-1]), "<bos>"]
    )
    units = [unit(bench, items[:2]), unit(bench, items[2:4]), unit(bench, [broken])]
    chosen = InProcess() if engine == "here" else processes(plan, bench, tmp_path)
    store = Store(tmp_path / "units")
    try:
        with pytest.raises(RunFailed) as refused:
            chosen.run_units(units, store, Silent())
    finally:
        chosen.close()
    assert refused.value.where == f"unit {units[2].key[:12]} of evaluation requests, 1 rows"
    assert "a prompt without BOS" in str(refused.value.found)
    report = tmp_path / "units" / "failed" / f"{units[2].key}.json"
    assert str(report) in str(refused.value.remedy)
    told = canonical.read(report.read_bytes(), where=report.name)
    assert told["specification"] == units[2].specification
    assert len(told["problems"]) == 3
    assert store.read(units[2].key) is None
    if engine == "here":
        assert [store.read(u.key) for u in units[:2]] == [u.work() for u in units[:2]]


def test_a_worker_of_another_environment_is_refused(
    plan: Path, bench: Bench, items: Sequence[ItemRow], tmp_path: Path
) -> None:
    elsewhere = bench.environment.model_copy(update={"platform": "Another machine"})
    other = Bench(bench.plan, bench.model, bench.dictionaries, elsewhere)
    pool = processes(plan, other, tmp_path)
    try:
        with pytest.raises(RunFailed) as refused:
            pool.run_units([unit(other, items[:2])], Store(tmp_path / "units"), Silent())
    finally:
        pool.close()
    assert "environment of a worker, platform: expected Another machine" in str(refused.value)


class Careless:
    """A worker that is lost with every task of some slots."""

    def __init__(self, slot: int, lost: set[int], tasks: dict[str, Unit]) -> None:
        self._reply = Reply(problem="gone", lost=True) if slot in lost else None
        self._tasks = tasks

    def begin(self) -> Reply:
        return Reply()

    def do(self, key: str, _task: bytes) -> Reply:
        return self._reply or Reply(self._tasks[key].work())

    def close(self) -> None:
        pass


def numbered(count: int) -> dict[str, Unit]:
    made = [Unit({"number": n}, 1, lambda n=n: b"%d\n" % n, lambda: b"") for n in range(count)]
    return {unit.key: unit for unit in made}


def test_results_of_a_pool_come_in_order(tmp_path: Path) -> None:
    tasks = numbered(40)
    pool = Pool(lambda slot: Careless(slot, set(), tasks), 3)
    results = pool.run_units(list(tasks.values()), Store(tmp_path), Silent())
    pool.close()
    assert results == [b"%d\n" % n for n in range(40)]


def test_a_pool_whose_workers_are_always_lost_stops(tmp_path: Path) -> None:
    tasks = numbered(4)
    pool = Pool(lambda slot: Careless(slot, {0, 1}, tasks), 2)
    with pytest.raises(RunFailed, match="a result within 3 tries, found none: gone"):
        pool.run_units(list(tasks.values()), Store(tmp_path), Silent())
    pool.close()
    assert not list(tmp_path.glob("*.jsonl"))


def test_a_task_keeps_every_bit(items: Sequence[ItemRow]) -> None:
    rng = np.random.default_rng(5)
    vector = rng.normal(size=33).astype(np.float32)
    vector[:3] = [np.float32(-0.0), np.float32(1e-45), np.float32(np.inf)]
    said = ArmEdit("a/system_prompt", None, None, None, Preface("the ", "a guest"))
    arms = [BASELINE_EDIT, ArmEdit("a/target", Place(1, "resid_post"), vector, "tiny"), said]
    task = Task("requests", list(items), arms, LinearProbe(vector[::2].copy(), 0.1, 1.0))
    read = read_task(write_task(task))
    assert (read.evaluation, list(read.items)) == (task.evaluation, task.items)
    assert [(a.arm, a.place, a.dictionary) for a in read.arms] == [
        (a.arm, a.place, a.dictionary) for a in arms
    ]
    assert isinstance(read.arms[1].place, Place)
    assert read.arms[0].vector is None
    assert read.arms[2] == said
    assert read.arms[1].vector.tobytes() == vector.tobytes()
    assert read.arms[1].vector.dtype == vector.dtype
    assert read.probe.direction.tobytes() == vector[::2].tobytes()
    assert write_task(read) == write_task(task)


@pytest.mark.parametrize("cut", [lambda data: data[:-1], lambda data: data[:5]])
def test_a_message_that_was_cut_off_is_none(cut: Callable[[bytes], bytes]) -> None:
    stream = io.BytesIO()
    write_frame(stream, b"")
    write_frame(stream, b"abc")
    whole = stream.getvalue()
    reading = io.BytesIO(whole[:8] + cut(whole[8:]))
    assert read_frame(reading) == b""
    assert read_frame(reading) is None
