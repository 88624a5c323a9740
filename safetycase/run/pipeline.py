"""The whole run, in the order of the method: from a plan to a case that verifies.

Killed at any moment, a run goes on where it was; what it writes in the end depends on the plan
and the machine alone, but for the times.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from safetycase import canonical
from safetycase.bundle import layout
from safetycase.bundle.reader import open_case
from safetycase.bundle.writer import write_case
from safetycase.errors import MalformedInput, UsageError
from safetycase.record.case import Times
from safetycase.run import search, stages
from safetycase.run.assemble import members_of
from safetycase.run.awaited import ValueFiles, with_value
from safetycase.run.batch_size import with_found_rows
from safetycase.run.bind import RunOptions, bind
from safetycase.run.calibrate import ask_people, try_judges
from safetycase.run.engines.choose import open_engine
from safetycase.run.engines.options import EngineOptions, require_engine
from safetycase.run.freeze import FrozenPlan, freeze, require_as_released
from safetycase.run.items import read_items
from safetycase.run.journal import journal
from safetycase.run.lab import Lab, planned_rows
from safetycase.run.neighbours import find_groups, find_neighbours
from safetycase.run.notebook import Notebook
from safetycase.run.progress import Progress
from safetycase.run.trace import trace
from safetycase.run.units import Store

Clock = Callable[[], datetime]
Verify = Callable[[Path], None]


def run(
    plan_path: Path,
    out_dir: Path,
    *,
    clock: Clock,
    progress: Progress,
    verify: Verify,
    options: RunOptions | None = None,
    engine: EngineOptions | None = None,
    value: ValueFiles | None = None,
    replace: bool = False,
) -> Path:
    """The path of the case that the plan leads to; nothing is there unless it verified.

    Finished work is kept in `out_dir/work`. `verify` is called with the case as written and
    raises if it does not verify. `engine` says where units are done, and changes nothing that
    is written. Refuses as `freeze` does, and with RunFailed or MethodRefused where the
    experiment cannot be done as planned. Signing is another command. A signed case that stands
    there already is refused before anything is measured, unless `replace`.
    """
    chosen = engine or EngineOptions()
    require_engine(chosen)
    frozen = with_value(freeze(plan_path), value or ValueFiles(), clock=clock)
    case = out_dir / f"{frozen.plan.id}.safetycase"
    if not replace:
        _refuse_signed(case)
    work = out_dir / "work"
    items = read_items(frozen.plan, frozen.seed, frozen.datasets)
    require_as_released(frozen, items)
    started = _started(work, frozen, clock)

    progress.begin("binding model and dictionaries", 0)
    cache = work / "cache"
    asked = options or RunOptions()
    bound = bind(frozen, cache, asked)
    if asked.batch_rows == "auto":
        bench = with_found_rows(bound.bench, frozen.digest, items, work, progress)
        bound = dataclasses.replace(bound, bench=bench)
    noted = journal(
        work,
        frozen.plan.id,
        frozen.digest,
        workers=chosen.workers,
        planned=planned_rows(frozen.plan, items),
    )
    with noted as written:
        measuring = open_engine(chosen, plan_path, frozen, cache, bound.bench, progress)
        with closing(measuring) as opened:
            lab = Lab(
                bench=bound.bench,
                case_seed=frozen.seed,
                notes=Notebook(items),
                store=Store(work / "units", written),
                engine=opened,
                journal=written,
                progress=progress,
            )
            stages.require_prompts(lab)
            tests = stages.test_instruments(lab)
            try_judges(lab)
            stages.train_probes(lab)
            stages.measure_baseline(lab)
            search.observe(lab)
            kept = search.identify(lab)
            find_neighbours(lab)
            find_groups(lab)
            search.validate_labels(lab, kept)
            stages.design(lab)
            stages.gauge(lab)
            stages.remeasure(lab)
            trace(lab)
            ask_people(lab, beside=plan_path.parent, out=out_dir)

        progress.begin("assembling and verifying", 0)
        times = Times(started=started, finished=_utc(clock()))
        members = members_of(frozen, bound, lab.notes, tests, times)
        draft = work / case.name
        write_case(draft, members)
        verify(draft)
        if not replace:
            _refuse_signed(case)
        draft.replace(case)
        written.finished()
    return case


def _refuse_signed(case: Path) -> None:
    """Refuse to write over signatures, or over a file that is no case."""
    if not case.exists():
        return
    remedy = "Give --replace to write over it, or choose another --out."
    try:
        signed = layout.CASE_STATEMENT_NAME in open_case(case)
    except MalformedInput as error:
        found = f"a file that is no case ({error})"
        raise UsageError(str(case), "nothing there", found=found, remedy=remedy) from None
    if signed:
        expected, found = "no signed case", "a signed one"
        raise UsageError(str(case), expected, found=found, remedy=remedy)


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _started(work: Path, frozen: FrozenPlan, clock: Clock) -> str:
    """When this plan was first started here; a run that goes on keeps its beginning."""
    work.mkdir(parents=True, exist_ok=True)
    file = work / f"run-{frozen.seed[:16]}.json"
    if file.is_file():
        value = canonical.as_object(
            canonical.read(file.read_bytes(), where=file.name),
            where=file.name,
            required=("plan", "started"),
        )
        return canonical.as_text(value["started"], where=file.name)
    started = _utc(clock())
    draft = file.with_suffix(".draft")
    draft.write_bytes(canonical.write({"plan": frozen.digest, "started": started}))
    draft.replace(file)
    return started
