"""Stage 7: traces that made-up or copied rows leave, and honest rows do not."""

from __future__ import annotations

from safetycase.methods.account import unequally_likely, upstream_gaps
from safetycase.methods.arm_edits import adding, lost_in_rounding
from safetycase.methods.copies import (
    TELLING_ROWS,
    copies,
    is_same,
    scored_after,
    without_edit,
)
from safetycase.methods.equations import dictionary_of, last_edited
from safetycase.methods.grid import is_edited_upstream, is_unedited
from safetycase.methods.plausible import even_counts, short_figures, spread
from safetycase.record.planned_axis import Axis
from safetycase.verify.case import OpenedCase
from safetycase.verify.check import Family, Fault, NotApplicable, Run, told

FAMILY = Family(
    "FOR", "Forensics", "Rows must not bear the traces of copying.",
    stage=7, tier="recomputed", needs=("plan", "rows"),
)  # fmt: skip


@FAMILY.edited_check(
    1,
    needs=("plan", "rows", "tensors"),
    proves="No two arms that add different vectors have the same scores row for row, to the "
    "last digit, where three or more differ from the baseline's. Equal texts of two arms, nine "
    "or more of which no third arm gives, are UNKNOWN: rows for a reader to have re-run.",
    cannot_prove="That rows were not made up with care, copied where little changes, or copied "
    "as texts into three arms and more: honest edits too can share a few states.",
    references=("question 32 (forensics)", "design 10"),
    owns=("evidence/{choices,probes,likelihoods}.jsonl: copied arms",),
)
def no_arm_copies_another(case: OpenedCase, _number: int, axis: Axis) -> Run:
    """No two different arms have the same answers."""
    specs = case.axis(axis.id).arm_specs
    yield from told(copy.gap() for copy in copies(case.evidence.answers, specs))
    return sum(bool(spec.coefficient) for spec in specs)


@FAMILY.check(
    2,
    proves="Equal answers to one item have one negative log-likelihood in all arms, since it "
    "is taken under the unsteered model.",
    cannot_prove="That the likelihood is the model's. One text drawn as other tokens, as many, "
    "is refused too; a tokenizer can give it, though seldom.",
    references=("design 5 step 8", "question 9 (coherence)"),
    owns=("evidence/generations.jsonl: nll",),
    absence_is_harmless=True,
)
def equal_texts_are_equally_likely(case: OpenedCase) -> Run:
    """Equal answers to an item have one likelihood under the unsteered model."""
    if "generations" not in case.tables:
        return NotApplicable("nothing is generated")
    answers = case.answers("generations")
    yield from told(unequally_likely(answers, case.plan.model.dtype))
    return len(answers)


@FAMILY.edited_check(
    3,
    proves="For one item and one text, every arm of an axis saw as many positions and, where "
    "one place is edited, the same activation norm before the edit: the edit changes nothing "
    "upstream of itself.",
    cannot_prove="That the norms are the model's. Of several blocks, the later ones' follow "
    "the edit of the first; of a direction taken out at every layer nothing is compared.",
    references=("design 5 step 8", "question 24 (positions)"),
    owns=("evidence/{generations,choices,probes,likelihoods}.jsonl: residual",),
)
def edits_change_nothing_upstream(case: OpenedCase, _number: int, axis: Axis) -> Run:
    """Every arm saw the same positions and activations of an item before its edit."""
    examined, one_block = 0, dictionary_of(case.plan, axis).layers is None
    dtype = case.plan.model.dtype
    for evaluation in case.plan.evaluations:
        arms = [
            answers
            for (name, arm), answers in case.evidence.answers.items()
            if name == evaluation.id and arm.startswith(f"{axis.id}/")
            if not is_unedited(arm) and not is_edited_upstream(axis, arm)
        ]
        yield from told(upstream_gaps(arms, dtype, of_norms=one_block))
        examined += sum(map(len, arms))
    return examined


@FAMILY.axis_check(
    4,
    needs=("plan", "rows", "tensors"),
    proves="No arm that adds a direction or a prompt has, to the last digit, the baseline's "
    "scores on all of three or more rows that are read after it, or the reconstruction's where "
    "that is edited: no control is silent.",
    cannot_prove="That an edit did what its row says where greedy texts are all there is: an "
    "honest control often changes none.",
    references=("question 5 (random features)", "question 32 (forensics)"),
    owns=("evidence/{choices,probes,likelihoods}.jsonl: scores under an edit",),
    absence_is_harmless=True,
)
def edits_leave_a_trace(case: OpenedCase, _number: int, axis: Axis) -> Run:
    """No arm that adds a direction has the baseline's scores."""
    specs = case.axis(axis.id).arm_specs
    acting = {spec.id: spec for spec in specs if spec.coefficient or spec.is_said}
    given = adding(specs)
    # What depends on activations does nothing where none is met, as its rows then say.
    depending = {spec.id for spec in specs if spec.operation not in {None, "add"}}
    scored = scored_after(case.plan, last_edited(case.plan, axis))
    examined = 0
    for (evaluation, arm), rows in case.evidence.answers.items():
        if arm not in acting or evaluation not in scored or len(rows) < TELLING_ROWS:
            continue
        if arm in depending and not rows.delta.any():
            continue
        if arm in given and lost_in_rounding(given[arm], rows, case.plan.model.dtype).any():
            continue  # IVN-006 leaves open whether the edit was made
        examined += 1
        for unedited in without_edit(acting[arm], specs):
            if is_same(rows, case.evidence.answers.get((evaluation, unedited))):
                where = f"{evaluation} / {arm}"
                yield Fault(where, "scores that an edit has moved", f"those of {unedited}")
    return examined or NotApplicable("nothing is scored after the edit")


@FAMILY.check(
    5,
    needs=("rows",),
    proves="Log-probabilities, projections and norms have the digits of measured figures: in "
    "no arm do so many different ones end before the fifth digit that chance would give it "
    "once in a thousand million arms.",
    cannot_prove="That figures with enough digits were measured. Equal figures of different "
    "items are no trace: near certainty honest log-probabilities share few values.",
    references=("question 32 (forensics)", "methodology 5.5 (digits)"),
    owns=("evidence/{generations,choices,probes,likelihoods}.jsonl: digits",),
)
def figures_have_their_digits(case: OpenedCase) -> Run:
    """Scores and norms have the digits of measured figures."""
    for (evaluation, arm), rows in case.evidence.answers.items():
        yield from told(short_figures(rows), f"{evaluation} / {arm}: ")
    return len(case.evidence.answers)


@FAMILY.axis_check(
    6,
    proves="Nothing; it asks. Controls drawn at random do not count more evenly than fair "
    "signs over the items in which they differ would; where they do, and chance would give it "
    "once in a thousand million times, the rows are UNKNOWN: for a reader to have re-run.",
    cannot_prove="That even counts were made up: edits that help half of the items and hurt "
    "the other half as often give them too. Nor that spread counts were measured.",
    references=("question 32 (forensics)", "methodology 5.5 (variance)",
                "https://doi.org/10.1007/BF02295996"),
    owns=("evidence/{generations,choices,probes,likelihoods}.jsonl: spread of the controls",),
    absence_is_harmless=True,
)  # fmt: skip
def controls_spread_as_chance_does(case: OpenedCase, _number: int, axis: Axis) -> Run:
    """Control arms do not count more evenly than chance allows."""
    families = case.axis(axis.id).controls
    if not families:
        return NotApplicable("no feature was found, so there are no controls")
    yield from told(even_counts(axis, spread(case.plan, axis, case.derived.evidence)))
    return sum(family.controls for family in families)
