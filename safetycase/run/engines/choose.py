"""Which engine a command asks for, made ready."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from safetycase import canonical
from safetycase.run.answers import Bench
from safetycase.run.engines.bench_worker import Recipe
from safetycase.run.engines.engine import Engine
from safetycase.run.engines.local import InProcess
from safetycase.run.engines.options import EngineOptions
from safetycase.run.engines.pool import Pool, Worker
from safetycase.run.engines.processes import Process
from safetycase.run.freeze import FrozenPlan
from safetycase.run.progress import Progress


def open_engine(
    options: EngineOptions,
    plan: Path,
    frozen: FrozenPlan,
    cache: Path,
    bench: Bench,
    progress: Progress,
) -> Engine:
    """The engine that was asked for; whoever opens it closes it.

    A worker has the threads of this process, however many workers there are: they are part of
    every unit's key, and other threads may give other last bits.
    """
    if options.kind == "local" and options.workers == 1:
        return InProcess()
    recipe = recipe_of(plan, frozen, cache, bench)
    _note_crowding(options, recipe, progress)
    if options.kind == "local":
        return Pool(_process_of(recipe), options.workers)
    return _ray_pool(options, recipe)


def recipe_of(plan: Path, frozen: FrozenPlan, cache: Path, bench: Bench) -> Recipe:
    """How a worker elsewhere gets this bench."""
    return Recipe(
        plan=str(plan.resolve()),
        plan_digest=frozen.digest,
        value=bench.value,
        cache=str(cache.resolve()),
        threads=bench.environment.threads,
        batch_rows=bench.environment.batch_rows,
        batch_rows_by=bench.environment.batch_rows_by,
        attention=bench.environment.attention,
        device=str(bench.model.device.type),
        device_map=bench.environment.device_map,
        environment=canonical.write(bench.environment.spelled()),
    )


def _process_of(recipe: Recipe) -> Callable[[int], Worker]:
    """Processes by slot; slots share out the GPUs, unless a map names them."""
    is_shared = recipe.device == "cuda" and recipe.device_map is None
    gpus = torch.cuda.device_count() if is_shared else 0

    def start(slot: int) -> Worker:
        return Process(replace(recipe, device=f"cuda:{slot % gpus}") if gpus else recipe)

    return start


def _ray_pool(options: EngineOptions, recipe: Recipe) -> Engine:
    from safetycase.run.engines import ray as cluster  # noqa: PLC0415  # an extra

    cluster.connect(options.address, recipe, workers=options.workers)
    return cluster.RayPool(recipe, options.workers)


def _note_crowding(options: EngineOptions, recipe: Recipe, progress: Progress) -> None:
    cores = os.cpu_count() or 1
    wanted = options.workers * recipe.threads
    if recipe.device == "cpu" and options.address is None and wanted > cores:
        progress.note(
            f"{options.workers} workers of {recipe.threads} threads on {cores} cores: "
            f"--threads {max(1, cores // options.workers)} would fit, for all runs of this plan"
        )
