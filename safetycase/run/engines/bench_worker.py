"""The far side of an engine: a bench loaded by the plan, and units done on it.

Also a program: `python -m safetycase.run.engines.bench_worker` is told what to load, and then
what to do, on its standard input, and answers on its standard output, in frames.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Literal

import msgspec

from safetycase import canonical
from safetycase.errors import RunFailed
from safetycase.methods.grid import evaluation_named
from safetycase.record.randomness import Randomness
from safetycase.run.answers import Bench
from safetycase.run.bind import RunOptions, bind
from safetycase.run.engines.engine import FAILURES, told
from safetycase.run.engines.frames import read_frame, write_frame
from safetycase.run.engines.pool import Reply
from safetycase.run.freeze import freeze
from safetycase.run.measure import unit_of
from safetycase.run.task import read_task


@dataclass(frozen=True)
class Recipe:
    """How a worker gets the bench of a run, and what that bench must then be."""

    plan: str
    plan_digest: str
    value: str | None
    """What the plan waited for."""
    cache: str
    threads: int
    batch_rows: int
    batch_rows_by: Literal["trial"] | None
    attention: str
    device: str
    device_map: dict[str, str] | None
    """Read already: what `auto` gives depends on the memory that is free."""
    environment: bytes
    """Of the process that runs everything else: units are keyed by it."""

    @property
    def gpus(self) -> int:
        """How many GPUs a worker computes on."""
        if self.device_map is None:
            return int(self.device.startswith("cuda"))
        return len({name for name in self.device_map.values() if name.startswith("cuda")})


@dataclass(frozen=True)
class Order:
    """A task, and the key that its unit must have."""

    key: str
    task: bytes


def load_bench(recipe: Recipe) -> Bench:
    """The bench of a recipe; refused if plan, files or environment are others."""
    frozen = freeze(Path(recipe.plan))
    if frozen.digest != recipe.plan_digest:
        raise RunFailed(recipe.plan, f"the plan {recipe.plan_digest}", found=frozen.digest)
    if recipe.value is not None:
        frozen = replace(frozen, randomness=Randomness(value=recipe.value))
    options = RunOptions(
        threads=recipe.threads,
        batch_rows=recipe.batch_rows,
        batch_rows_by=recipe.batch_rows_by,
        attention=recipe.attention,
        device=recipe.device,
        device_map=recipe.device_map,
    )
    bench = bind(frozen, Path(recipe.cache), options).bench
    wanted = canonical.read(recipe.environment, where="environment")
    have = bench.environment.spelled()
    if have != wanted and isinstance(wanted, dict):
        other = next(n for n in sorted({*have, *wanted}) if have.get(n) != wanted.get(n))
        raise RunFailed(
            f"environment of a worker, {other}",
            str(wanted.get(other)),
            found=str(have.get(other)),
        )
    return bench


def do_order(bench: Bench, order: Order) -> Reply:
    """The result of an order, or the problem that came instead."""
    try:
        task = read_task(order.task)
        evaluation = evaluation_named(bench.plan, task.evaluation)
        unit = unit_of(bench, evaluation, task.items, task.arms, task.probe, task.samples)
        if unit.key != order.key:
            raise RunFailed("task", f"the unit {order.key}", found=unit.key)
        return Reply(unit.work())
    except FAILURES as error:
        return Reply(problem=told(error))


def serve(given: BinaryIO, replies: BinaryIO) -> None:
    """Load what the first frame says, then do what every other one says, until none comes."""
    first = read_frame(given)
    if first is None:
        return
    try:
        bench = load_bench(msgspec.msgpack.decode(first, type=Recipe))
    except FAILURES as error:
        write_frame(replies, msgspec.msgpack.encode(Reply(problem=told(error))))
        return
    write_frame(replies, msgspec.msgpack.encode(Reply()))
    while (frame := read_frame(given)) is not None:
        reply = do_order(bench, msgspec.msgpack.decode(frame, type=Order))
        write_frame(replies, msgspec.msgpack.encode(reply))


def main() -> None:
    """Serve on the standard streams; what libraries print goes to standard error."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(sys.stdin.buffer, replies)


if __name__ == "__main__":
    main()
