"""Everything for which a plan is refused before anything is measured."""

from __future__ import annotations

from collections.abc import Sequence

from safetycase.methods.gold import gold_gaps
from safetycase.methods.governance import release_gaps
from safetycase.methods.judge import judge_faults
from safetycase.methods.lint import lint
from safetycase.record.case import ModelFile
from safetycase.record.plan import Plan


def refusals(plan: Plan, files: Sequence[ModelFile]) -> list[str]:
    """Faults of a plan for a model of these files; an empty list lets it run.

    `lint` asks whether the claims can be reached; the rest asks whether what the plan states
    beside its measurements agrees with them. The verifier asks both again, in different checks.
    """
    gaps = [gap for gap in release_gaps(plan, files) if not gap.silent]
    told = [_told(gap.where, gap.sentence) for gap in gaps]
    wrong = [gap for gap in gold_gaps(plan) if not gap.silent]
    told += [f"{gap.where}: {gap.expected} is known, {gap.found} is given." for gap in wrong]
    told += [
        f"{fault.where}: {fault.expected}, not {fault.found}." for fault in judge_faults(plan)
    ]
    return [*lint(plan), *told]


def _told(where: str, sentence: str) -> str:
    return f"{where.removeprefix('plan.json#')}: {sentence}"
