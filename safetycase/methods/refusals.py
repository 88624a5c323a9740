"""Everything for which a plan is refused before anything is measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from safetycase.methods.gold import gold_gaps
from safetycase.methods.governance import release_gaps
from safetycase.methods.grade import outcomes_of
from safetycase.methods.grid import evaluation_named
from safetycase.methods.judge import judge_faults
from safetycase.methods.lint import counted_by, lint
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
    return [*lint(plan), *told, *_uncounted(plan)]


def _uncounted(plan: Plan) -> Iterator[str]:
    """Outcomes that are counted, and that no answer can have."""
    for axis in plan.axes:
        for measure in counted_by(axis):
            known = outcomes_of(evaluation_named(plan, measure.evaluation))
            for outcome in sorted(set(measure.outcomes).difference(known)):
                yield (
                    f"/axes {axis.id}: {measure.evaluation} cannot give the outcome {outcome}; "
                    f"it can give {', '.join(known)}."
                )


def _told(where: str, sentence: str) -> str:
    return f"{where.removeprefix('plan.json#')}: {sentence}"
