"""Audit traces: single edits published number by number, and what they must agree with.

Rows and positions are those of `trace_draws`. An activation is published before and after
the edit in the model's number format, which float32 holds exactly, and what was added to it in
float32, as it was before the sum was rounded to that format. Where the error of the dictionary
is dropped, what it makes of the activation is published too: it follows from no slice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from safetycase.errors import MethodRefused
from safetycase.methods import operations
from safetycase.methods.arms import ArmSpec
from safetycase.methods.dropped_error import bound_of, in_format, start_of
from safetycase.methods.encode import Recomputed, in_blocks, recomputed, require_one_block
from safetycase.methods.equations import dictionary_of, read_place, written_place
from safetycase.methods.grid import evaluation_named
from safetycase.methods.operations import StateEdit
from safetycase.methods.rounding import SAME_NORM, UNIT, moved_by
from safetycase.methods.stacks import is_stack, require_own_blocks
from safetycase.record.plan import Plan
from safetycase.record.planned_axis import Axis
from safetycase.record.planned_evaluation import Choice
from safetycase.record.trace_summary import TraceSummary
from safetycase.tables.columns import Answers
from safetycase.tables.evidence import Evidence
from safetycase.tables.rows import AnswerRow, TraceRow

_FLOAT32 = 2.0**-22
_AGAIN = {"float32": 1e-3, "bfloat16": 0.1}
"""How far an activation may differ between two passes in batches of different shape."""
_MOST_AT_THRESHOLD = 0.01
"""Largest share of activations that may stand on the other side of their threshold."""


@dataclass(frozen=True, slots=True)
class TraceFault:
    """Something in a trace that is not as it must be; `trace` counts within the axis."""

    trace: int
    expected: str
    found: str


@dataclass(frozen=True)
class Traces:
    """The published traces of an axis, and what plan and evidence say of them."""

    plan: Plan
    axis: Axis
    evidence: Evidence
    rows: Sequence[TraceRow]
    """The index as drawn: one row a trace."""
    specs: Sequence[ArmSpec]
    directions: NDArray[np.float32]
    """Unit direction of every arm."""
    states: Sequence[StateEdit | None]
    """What every arm does, if it depends on the activation."""

    def tensor(self, name: str) -> NDArray[Any]:
        """A tensor of the axis; of traces, refused unless it has one row for each."""
        found = self.evidence.tensor(f"{self.axis.id}.{name}")
        if name.startswith("trace_") and len(found) != len(self.rows):
            where, expected = f"tensor {self.axis.id}.{name}", f"{len(self.rows)} traces"
            raise MethodRefused(where, expected, found=str(len(found)))
        return found

    @property
    def specified(self) -> NDArray[np.float32]:
        """What the intervention's specification adds at each trace, float32 [traces, width].

        Of an edit that depends on the activation: by the stated activations, or by what stands
        before it. Whatever the dropped error of the dictionary changes is beside that.
        """
        arms = {spec.id: number for number, spec in enumerate(self.specs)}
        added = np.zeros((len(self.rows), self.directions.shape[-1]), dtype=np.float32)
        start = self.start
        for trace, row in enumerate(self.rows):
            arm = arms[row.arm]
            state = self.states[arm]
            if state is None:
                added[trace] = np.float32(self.specs[arm].coefficient) * self.directions[arm]
            elif state.features:
                added[trace] = operations.delta(state, self._stated(state, trace))[0]
            else:
                along = operations.coordinates(state, start[trace : trace + 1])
                added[trace] = operations.delta(state, along)[0]
        return added

    @property
    def start(self) -> NDArray[np.float32]:
        """What the edit is added to at each trace [traces, width].

        The activation as it is or, of arms with an error policy, what the dictionary makes.
        """
        before: NDArray[np.float32] = self.tensor("trace_before")
        if self.axis.candidate.error_policy is None:
            return before
        return start_of(before, self.tensor("trace_reconstruction"), self._dropped)

    @property
    def _dropped(self) -> NDArray[np.bool_]:
        """Whether the error of the dictionary is dropped, by trace."""
        dropping = {spec.id for spec in self.specs if spec.error_policy is not None}
        return np.array([row.arm in dropping for row in self.rows], dtype=np.bool_)

    def _stated(self, state: StateEdit, trace: int) -> NDArray[Any]:
        return self.tensor("trace_activations")[trace : trace + 1, self._columns(state)]

    def _columns(self, state: StateEdit) -> list[int]:
        columns = {int(f): place for place, f in enumerate(self.tensor("features"))}
        return [columns[feature] for feature in state.features]

    def _rounding(self) -> NDArray[np.float64]:
        """How far rounding may move what is added, beside the sum's own [traces, width].

        Nothing where a constant is added.
        """
        arms = {spec.id: number for number, spec in enumerate(self.specs)}
        moved = np.zeros((len(self.rows), self.directions.shape[-1]))
        groups: dict[int, list[int]] = {}
        start = self.start
        for trace, row in enumerate(self.rows):
            groups.setdefault(arms[row.arm], []).append(trace)
        again = self.activations() if any(map(self._reads, groups)) else None
        for arm, traces in groups.items():
            state = self.states[arm]
            if state is None:
                continue
            if state.features and again is not None:
                columns = self._columns(state)
                moved[traces] = operations.rounding_of_activations(state, again, columns)[
                    traces
                ]
            else:
                moved[traces] = operations.rounding_of_coordinates(state, start[traces])
        return moved

    def _reads(self, arm: int) -> bool:
        state = self.states[arm]
        return state is not None and bool(state.features)

    def activations(self) -> Recomputed:
        """Activations of every published feature, from what the dictionary read."""
        dictionary = dictionary_of(self.plan, self.axis)
        is_apart = read_place(dictionary) != written_place(dictionary)
        read = self.tensor("trace_read" if is_apart else "trace_before")
        if is_stack(self.plan, self.axis):
            require_own_blocks(self.axis, self.evidence)
        elif dictionary.layers is not None:
            rows = self.tensor("w_enc"), self.tensor("w_dec")
            where = f"slices of {dictionary.equation}"
            require_one_block(*rows, len(dictionary.layers), where=where)
        blocks = len(dictionary.layers or (dictionary.layer,))
        return recomputed(dictionary.equation, self.tensor, read, blocks=blocks)

    def edit_faults(self) -> Iterator[TraceFault]:
        """Traces whose delta is not the specification's, or whose sum is not what stands there.

        Element by element: the delta to float32's rounding of the sum that it was taken from,
        the sum to the rounding of the model's number format.
        """
        before, delta, after = (
            self.tensor(f"trace_{name}").astype(np.float64)
            for name in ("before", "delta", "after")
        )
        specified, start = self.specified.astype(np.float64), self.start.astype(np.float64)
        slack = _FLOAT32 * (np.abs(start) + np.abs(specified)) + self._rounding()
        slack += _FLOAT32 * np.abs(start - before)
        specified += start - before
        sizes = np.linalg.norm(delta, axis=1)
        for trace in np.flatnonzero((np.abs(delta - specified) > slack).any(axis=1)).tolist():
            wanted = np.linalg.norm(specified[trace])
            gap = np.linalg.norm(delta[trace] - specified[trace])
            expected = f"what the arm is specified to change, of size {wanted:.6g}"
            yield TraceFault(trace, expected, f"size {sizes[trace]:.6g}, a gap of {gap:.3g}")
        unit = UNIT[self.plan.model.dtype]
        slack = unit * np.abs(after) + _FLOAT32 * (np.abs(before) + np.abs(delta))
        gaps = np.abs(after - (before + delta))
        for trace in np.flatnonzero((gaps > slack).any(axis=1)).tolist():
            expected = f"before plus delta, rounded to {self.plan.model.dtype}"
            yield TraceFault(trace, expected, f"a gap of {gaps[trace].max():.3g}")
        yield from self._format_faults()
        yield from self._unused_faults()

    def _format_faults(self) -> Iterator[TraceFault]:
        for name in ("before", "after"):
            values = self.tensor(f"trace_{name}")
            other = values != in_format(values, self.plan.model.dtype)
            for trace in np.flatnonzero(other.any(axis=1)).tolist():
                yield TraceFault(trace, "numbers that bfloat16 can hold", f"others {name}")

    def _unused_faults(self) -> Iterator[TraceFault]:
        """Traces of arms that keep the error, and yet with something the dictionary made."""
        if self.axis.candidate.error_policy is None:
            return
        for trace in np.flatnonzero(self.tensor("trace_reconstruction").any(axis=1)).tolist():
            if not self._dropped[trace]:
                expected = "zeros where the activation is edited as it is"
                yield TraceFault(trace, expected, "what a dictionary made")

    def activation_faults(self) -> Iterator[TraceFault]:
        """Traces with an activation that the slices do not give, or too many on the wrong side.

        An activation at its threshold, to float32's rounding, may stand on either side; no more
        than one in a hundred may.
        """
        stated, again = self.tensor("trace_activations"), self.activations()
        features = self.tensor("features")
        wrong = again.gaps(stated) > again.error
        for trace in np.flatnonzero(wrong.any(axis=1)).tolist():
            place = int(np.flatnonzero(wrong[trace])[0])
            expected = f"{again.exact[trace, place]:.6g} of feature {features[place]}"
            yield TraceFault(trace, expected, f"{stated[trace, place]:.6g}")
        crossed = again.at_threshold & (np.abs(stated - again.exact) > again.error)
        if crossed.size and crossed.mean() > _MOST_AT_THRESHOLD:
            trace = int(np.flatnonzero(crossed.any(axis=1))[0])
            expected = f"at most {_MOST_AT_THRESHOLD:.0%} on the other side of their threshold"
            yield TraceFault(trace, expected, f"{crossed.mean():.1%}")

    def account_faults(self) -> Iterator[TraceFault]:
        """Traces of rows that report another edit norm, or less residual than the traces hold.

        The traces' mean ‖Δh‖ is the row's `delta` where every position gets the same edit, as
        near as rounding leaves both; else, and of the norms before the edit, they sum to no
        more than the row's whole. Where the dictionary's error is dropped, ‖Δh‖ is what was
        added beside, and what was dropped at prompt tokens is no more than in the row of the
        reconstruction arm.
        """
        same = {s.id for s, state in zip(self.specs, self.states, strict=True) if state is None}
        before, after = (
            self.tensor(f"trace_{name}").astype(np.float64) for name in ("before", "after")
        )
        start = in_format(self.start, self.plan.model.dtype).astype(np.float64)
        moved, lost = (np.linalg.norm(x, axis=1) for x in (after - start, start - before))
        sizes = np.linalg.norm(before, axis=1)
        share = SAME_NORM[self.plan.model.dtype]
        for traces, row in self._by_row():
            mean, size = float(moved[traces].mean()), float(sizes[traces].mean())
            is_whole = self.rows[traces[0]].arm in same or len(traces) == row.edits
            slack = share * row.delta + self._moved_by(traces[0], row.residual + size)
            if is_whole and abs(mean - row.delta) > slack:
                yield TraceFault(traces[0], f"a mean edit of {row.delta:.6g}", f"{mean:.6g}")
            in_all = row.edits * row.delta * (1.0 + share)
            in_all += len(traces) * self._moved_by(traces[0], 2.0 * size)
            if not is_whole and moved[traces].sum() > in_all:
                expected = f"edits that sum to at most {in_all:.6g}"
                yield TraceFault(traces[0], expected, f"{moved[traces].sum():.6g}")
            whole = row.edits * row.residual * (1.0 + share)
            if sizes[traces].sum() > whole:
                expected = f"norms before the edit that sum to at most {whole:.6g}"
                yield TraceFault(traces[0], expected, f"{sizes[traces].sum():.6g}")
            most = bound_of(self.plan, self.axis, self.evidence, row)
            prompt = [trace for trace in traces if self.rows[trace].token == "prompt"]
            if most is not None and lost[prompt].sum() > most:
                expected = f"dropped errors that sum to at most {most:.6g}, as reconstructed"
                yield TraceFault(traces[0], expected, f"{lost[prompt].sum():.6g}")

    def _moved_by(self, trace: int, residuals: float) -> float:
        """How far rounding may move two ‖Δh‖ apart, from the ‖h‖ of both together."""
        made = bool(self._dropped[trace])
        return moved_by(residuals, 0.0, self.plan.model.dtype, made=made)

    def _by_row(self) -> Iterator[tuple[list[int], AnswerRow]]:
        groups: dict[tuple[str, str, str, int], list[int]] = {}
        for number, row in enumerate(self.rows):
            key = (row.evaluation, row.arm, row.item, row.sample)
            groups.setdefault(key, []).append(number)
        for (evaluation, arm, item, sample), traces in groups.items():
            yield traces, _answer(self.evidence.answers[evaluation, arm], item, sample)

    @property
    def shares_prompts(self) -> bool:
        """Whether the claim's evaluation puts the held-out prompts of the contrast."""
        evaluation = evaluation_named(self.plan, self.axis.claim.measure.evaluation)
        same = evaluation.dataset == self.axis.selection.contrast.dataset
        return same and not isinstance(evaluation.measure, Choice)

    def _reads_first(self) -> NDArray[np.bool_]:
        """Of every published feature, whether it reads the first block that is edited."""
        rows, layers = self.tensor("w_enc"), dictionary_of(self.plan, self.axis).layers
        if layers is None:
            return np.ones(len(rows), dtype=np.bool_)
        return np.asarray(in_blocks(rows, len(layers))[:, 0].any(axis=-1))

    def prompt_faults(self) -> Iterator[TraceFault]:
        """Prompt tokens on which a kept feature fires more than on the whole prompt.

        Nothing is asked where prompts are not shared with the label checks, nor of features
        that read a later one of several blocks: what they read has been edited before.
        """
        if not self.shares_prompts:
            return
        stated, reads_first = self.tensor("trace_activations"), self._reads_first()
        numbered = enumerate(self.tensor("features"))
        columns = {int(f): place for place, f in numbered if reads_first[place]}
        traces: dict[str, list[int]] = {}
        for number, row in enumerate(self.rows):
            if row.token == "prompt":
                traces.setdefault(row.item, []).append(number)
        share = _AGAIN[self.plan.model.dtype]
        for check in self.evidence.label_checks:
            if check.axis != self.axis.id or check.position >= 0:
                continue
            place = columns.get(check.feature)
            for trace in [] if place is None else traces.get(check.item, []):
                if stated[trace, place] > check.activation + share * (1.0 + check.activation):
                    expected = f"at most {check.activation:.6g} of feature {check.feature}"
                    yield TraceFault(trace, expected, f"{stated[trace, place]:.6g}")

    def summary(self) -> TraceSummary:
        """How much was traced, and how far it lies from what is computed again."""
        stated, again = self.tensor("trace_activations"), self.activations()
        crossed = again.at_threshold & (np.abs(stated - again.exact) > again.error)
        specified = self.specified.astype(np.float64)
        dropped = self.start.astype(np.float64) - self.tensor("trace_before")
        gaps = np.linalg.norm(self.tensor("trace_delta") - dropped - specified, axis=1)
        sizes = np.linalg.norm(specified, axis=1)
        shares = np.divide(gaps, sizes, out=gaps.copy(), where=sizes > 0.0)
        return TraceSummary(
            rows=len(list(self._by_row())),
            traces=len(self.rows),
            generated=sum(row.token == "generated" for row in self.rows),
            features=stated.shape[1],
            edit_gap=_two_digits(shares),
            activation_gap=_two_digits(again.gaps(stated)),
            at_threshold=int(crossed.sum()),
        )


def _two_digits(values: NDArray[Any]) -> float:
    """The largest, to two digits: last bits of a sum are not the same on every machine."""
    return float(f"{values.max():.2g}") if values.size else 0.0


def _answer(answers: Answers, item: str, sample: int) -> AnswerRow:
    for row in answers:
        if row.item == item and getattr(row, "sample", 0) == sample:
            return row
    raise MethodRefused("traces", f"an answer to {item}", found="none")
