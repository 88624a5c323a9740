"""Stage 8: what was added to the activations is what the plan, its seed and its pool give."""

from __future__ import annotations

from collections import Counter

from safetycase.methods.arm_edits import adding, direction_gaps, size_gaps
from safetycase.methods.arms import needed_features
from safetycase.methods.stacks import block_gaps
from safetycase.record.planned_axis import Axis
from safetycase.verify.case import OpenedCase
from safetycase.verify.check import Family, Fault, NotApplicable, Run, compared, told

FAMILY = Family(
    "IVN", "Interventions", "What was added must be what plan, seed and pool give.",
    stage=8, tier="recomputed", needs=("record", "plan", "rows", "tensors"),
)  # fmt: skip

_DONE = "That the model was edited so; only a re-run with the weights could show that."
_REALISED = frozenset({"realised", "relative"})


@FAMILY.axis_check(
    1,
    proves="Every arm has the features, the pair of activations, the word, the seed or the "
    "prompt, the operation, the dose, the coefficient and the gain that follow from the "
    "selection, the plan, its digest, the chosen dose and the edit norms on tuning rows: no "
    "control was drawn again, or made weaker.",
    cannot_prove="That the plan was not chosen for its draws; that needs a later seed.",
    references=("design 5 step 8", "question 5 (random features)",
                "question 6 (unrelated contrasts)"),
    owns=("case.json#/results/axes/*/arms: all but realised norms",),
)  # fmt: skip
def arms_are_drawn_again(case: OpenedCase, number: int, axis: Axis) -> Run:
    """Every arm is the one that the plan's seed draws."""
    pointer = f"/results/axes/{number}/arms"
    derived = case.axis(axis.id).arm_specs
    return (yield from compared(case, pointer, derived, skip=_REALISED))


FAMILY.figures(
    2,
    "The intervention is specified in full and as planned.",
    "intervention",
    proves="The intervention is specified in full (dictionary, hook, layer, operation, unit, "
    "positions, condition, error policy, number format), as planned, and its unit is the mean "
    "norm of the published activations.",
    cannot_prove=_DONE,
    references=("design 5", "question 24 (identity binding)"),
    owns=("case.json#/results/axes/*/intervention", "evidence/activations.safetensors"),
)

FAMILY.figures(
    3,
    "The intervention's digest follows from its specification.",
    "intervention_digest",
    proves="The intervention's digest is that of its complete specification: what a release "
    "configuration must name to ship it.",
    cannot_prove="That a release ships it.",
    references=("design 5", "question 24 (identity binding)"),
)


@FAMILY.axis_check(
    4,
    needs=("plan", "rows", "tensors"),
    proves="Every direction that was added is the unit sum of its features' decoder rows, the "
    "unit difference of its two activations or of its two class means (of the axis's "
    "contrast, of its permuted labels, of a word, of refused prompts' last tokens), or the "
    "Gaussian one of its seed, to 1e-5.",
    cannot_prove="That the decoder rows are the dictionary's, whose file is not in the case, "
    "or that the mean activations are the model's.",
    references=("design 5 step 8", "question 6 (direction recipes)",
                "https://arxiv.org/abs/2310.06824", "https://arxiv.org/abs/2406.11717"),
    owns=("evidence/directions.safetensors", "evidence/dictionary.safetensors: w_dec",
          "evidence/means.safetensors"),
)  # fmt: skip
def directions_are_made_again(case: OpenedCase, _number: int, axis: Axis) -> Run:
    """Every direction follows from decoder rows or activations."""
    derived = case.axis(axis.id)
    where = f"evidence/directions.safetensors:{axis.id}.directions"
    stated = case.evidence.tensor(f"{axis.id}.directions")
    yield from told(direction_gaps(derived.arm_specs, stated, derived.directions), where)
    return max(len(derived.directions), 1)


FAMILY.figures(
    5,
    "Every realised norm follows from the rows.",
    "arms/*/realised",
    "arms/*/relative",
    by=("id",),
    if_edited=True,
    proves="The realised edit norms of every arm, absolute and relative, are the means of its "
    "rows.",
    cannot_prove=_DONE,
    references=("design 5 step 8", "question 6 (matched norm)"),
)  # fmt: skip


@FAMILY.edited_check(
    6,
    needs=("plan", "rows", "tensors"),
    proves="On every row of every arm that adds a direction, the edit has the size of the "
    "arm's coefficient, to what rounding to the model's number format can change: the dose was "
    "given as stated, controls are as strong as the target. Where rounding took or added a "
    "quarter of an edit or more, UNKNOWN.",
    cannot_prove=f"{_DONE} Of edits that depend on activations only traced positions tell; of "
    "what drops out with the dictionary's error, the rows of the reconstruction do.",
    references=("design 5 step 8", "question 6 (matched norm)"),
    owns=("evidence/{generations,choices,probes}.jsonl: delta",),
)
def doses_are_given_as_stated(case: OpenedCase, _number: int, axis: Axis) -> Run:
    """Every row's edit has the size of its arm's coefficient."""
    arms = adding(case.axis(axis.id).arm_specs)
    answers = case.evidence.answers
    yield from told(size_gaps(arms, answers, case.plan.model.dtype))
    examined = sum(len(rows) for (_, arm), rows in answers.items() if arm in arms)
    return examined or NotApplicable("no arm adds a vector; gains follow from tuning rows")


@FAMILY.check(
    7,
    proves="Every safeguard of the release configuration names an axis of the plan that is "
    "meant to be deployed, once, and the digest of exactly the intervention that was measured.",
    cannot_prove="That the product carries the safeguard.",
    references=("design 5", "question 24 (evaluated = released)"),
    owns=("case.json#/subject/safeguards",),
    absence_is_harmless=True,
)
def safeguards_are_those_measured(case: OpenedCase) -> Run:
    """Every safeguard is an intervention that was measured."""
    safeguards = case.record.subject.safeguards
    if not safeguards:
        return NotApplicable("the release configuration names no intervention")
    purposes = {axis.id: axis.purpose for axis in case.plan.axes}
    counts = Counter(safeguard.axis for safeguard in safeguards)
    for number, safeguard in enumerate(safeguards):
        where = f"case.json#/subject/safeguards/{number}"
        if purposes.get(safeguard.axis) != "deployed" or counts[safeguard.axis] > 1:
            yield Fault(f"{where}/axis", "an axis meant to be deployed, once", safeguard.axis)
            continue
        derived = case.axis(safeguard.axis).intervention_digest
        if safeguard.intervention != derived:
            found = safeguard.intervention
            wanted = derived or "none, as no feature was found"
            yield Fault(f"{where}/intervention", wanted, found, axis=safeguard.axis)
    return len(safeguards)


@FAMILY.axis_check(
    8,
    needs=("plan", "rows", "tensors"),
    proves="The dictionary slices are those of exactly the features that some arm edits, in "
    "order; of a stack, each lies in the block of the dictionary that its number says.",
    cannot_prove="That they are the dictionary's rows: its file is not in the case.",
    references=("design 3", "question 24 (index convention)"),
    owns=("evidence/dictionary.safetensors: features",),
)
def slices_are_of_the_edited_features(case: OpenedCase, _number: int, axis: Axis) -> Run:
    """The dictionary slices are those of the edited features."""
    wanted = needed_features(case.axis(axis.id).arm_specs)
    found = [int(feature) for feature in case.evidence.tensor(f"{axis.id}.features")]
    if found != wanted:
        where = f"evidence/dictionary.safetensors:{axis.id}.features"
        yield Fault(where, f"features {wanted}", f"features {found}")
    yield from told(block_gaps(case.plan, axis, case.evidence))
    return max(len(wanted), 1)
