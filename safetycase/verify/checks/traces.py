"""Stage 8: single edits, published number by number, are what was specified."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from safetycase.methods.traces import TraceFault, Traces
from safetycase.record.planned_axis import Axis
from safetycase.tables.rows import path_of
from safetycase.verify.case import OpenedCase
from safetycase.verify.check import Family, Fault, NotApplicable, Run, compared

FAMILY = Family(
    "TRC", "Audit traces",
    "Single edits, published number by number, must be what was specified.",
    stage=8, tier="recomputed", needs=("plan", "rows", "tensors"), absence_is_harmless=True,
)  # fmt: skip

_REAL = "That the published activations are the model's own; that needs the weights."
_NONE = NotApplicable("the plan asks for no audit traces")
_NOTHING = NotApplicable("no feature was found, and nothing is edited")
_FILE = "evidence/traces.safetensors"


@FAMILY.axis_check(
    1,
    proves="The traces are those of the rows and positions that the plan's digest draws, half "
    "of them of the target and half of its controls, in order; prompt and generated tokens are "
    "told apart by the rows' own counts.",
    cannot_prove="That the plan was not chosen for its draws; that needs a later seed.",
    references=("design 3", "question 24 (identity binding)", "trust 8.3"),
    owns=("evidence/traces.jsonl",),
)
def traces_are_drawn_again(case: OpenedCase, _number: int, axis: Axis) -> Run:
    """The traced rows and positions are those that the plan's seed draws."""
    stated = [row for row in case.evidence.traces if row.axis == axis.id]
    traces = case.axis(axis.id).traces
    wanted = [] if traces is None else list(traces.rows)
    names = {each.id for each in case.plan.axes}
    if stated != wanted or any(row.axis not in names for row in case.evidence.traces):
        same = [one == two for one, two in zip(stated, wanted, strict=False)]
        place = same.index(False) if False in same else len(same)
        found = str(stated[place]) if place < len(stated) else "another axis or no row"
        expected = str(wanted[place]) if place < len(wanted) else "no further row"
        yield Fault(f"{path_of('traces')} {axis.id}, row {place} from 0", expected, found)
    return len(wanted) or (_NONE if traces is None else _NOTHING)


Faults = Callable[[Traces], Iterator[TraceFault]]


def _faults(case: OpenedCase, axis: Axis, kind: Faults) -> Run:
    traces = case.axis(axis.id).traces
    if traces is None:
        yield from ()
        return _NONE
    for fault in kind(traces):
        row = traces.rows[fault.trace]
        where = f"{_FILE} {row.arm} / {row.item}, position {row.position}"
        yield Fault(where, fault.expected, fault.found)
    return len(traces.rows)


@FAMILY.edited_check(
    2,
    proves="At every trace, what was added is the arm's coefficient times its unit direction, "
    "or what its operation makes of the published activations and decoder rows, number by "
    "number to the rounding of float32, and the activation after the edit is the one before "
    "plus that, to the rounding of the model's number format. Where the plan drops the "
    "dictionary's error, the published reconstruction stands in the place of the one before.",
    cannot_prove=f"{_REAL} That a published reconstruction is what the dictionary makes, or an "
    "error held in it the unedited model's: that needs the whole dictionary, and is the "
    "developer's word; TRC-004 only bounds its distance, in one block.",
    references=("trust 8.3", "design 5", "question 24 (hook, sign, unit, coefficient, dtype)"),
    owns=("evidence/traces.safetensors: delta, after, reconstruction",),
)
def edits_are_those_specified(case: OpenedCase, _number: int, axis: Axis) -> Run:
    """Every traced edit is the one that the intervention specifies."""
    return (yield from _faults(case, axis, Traces.edit_faults))


@FAMILY.edited_check(
    3,
    proves="At every trace, the activations of all edited features follow from the activation "
    "that the dictionary read and the published slices, by the dictionary's equation, to the "
    "rounding of float32; at most one in a hundred lies on the other side of its threshold.",
    cannot_prove="That the slices are the dictionary's: its file is not in the case. Of top-k "
    "and group-maximum dictionaries, which features were among the largest: that needs all.",
    references=("trust 8.3", "question 20 (decoder geometry)", "https://arxiv.org/abs/2407.14435"),
    owns=("evidence/traces.safetensors: before, read, activations",
          "evidence/encoder.safetensors"),
)  # fmt: skip
def activations_are_made_again(case: OpenedCase, _number: int, axis: Axis) -> Run:
    """Every traced activation follows from what was read and the dictionary's slices."""
    return (yield from _faults(case, axis, Traces.activation_faults))


@FAMILY.edited_check(
    4,
    proves="The traces agree with the rows that they belong to: the mean size of their edits "
    "is the row's (where edits depend on activations, they sum to no more than the row's), and "
    "the activations before them have no larger norms than the row reports in all. What drops "
    "out with the dictionary's error at prompt tokens is no more than under reconstruction.",
    cannot_prove="Anything of positions that were not drawn. Nor that a dropped error is no "
    "larger at generated tokens, in scripts or in several blocks: nothing there is comparable.",
    references=("trust 8.3", "design 5 step 8", "question 6 (matched norm)"),
    owns=("evidence/{generations,choices,probes}.jsonl: residual, of traced rows",),
)
def traces_agree_with_their_rows(case: OpenedCase, _number: int, axis: Axis) -> Run:
    """Every traced row reports the edit norm of its traces."""
    return (yield from _faults(case, axis, Traces.account_faults))


@FAMILY.edited_check(
    5,
    proves="On no traced prompt token does a kept feature fire more than on the whole prompt "
    "by the published label checks: selection, labels and traces speak of one dictionary.",
    cannot_prove="It is asked only where the claim is measured on prompts of the contrast, and "
    "of features whose block no edit comes before.",
    references=("trust 8.3", "question 19 (label validity)"),
)
def traces_agree_with_label_checks(case: OpenedCase, _number: int, axis: Axis) -> Run:
    """No traced prompt token has a larger activation than its whole prompt."""
    traces = case.axis(axis.id).traces
    if traces is not None and not traces.shares_prompts:
        return NotApplicable("the claim is not measured on prompts of the contrast")
    return (yield from _faults(case, axis, Traces.prompt_faults))


@FAMILY.axis_check(
    6,
    needs=("record", "plan", "rows", "tensors"),
    proves="The stated counts of traces and the stated gaps follow from them.",
    cannot_prove=_REAL,
    references=("trust 8.3",),
    owns=("case.json#/results/axes/*/traces",),
)
def trace_figures_follow(case: OpenedCase, number: int, axis: Axis) -> Run:
    """The figures of the traces follow from them."""
    traces = case.axis(axis.id).traces
    pointer = f"/results/axes/{number}/traces"
    summary = traces.summary() if traces is not None and traces.rows else None
    examined = yield from compared(case, pointer, summary)
    return examined if summary is not None else (_NONE if traces is None else _NOTHING)
