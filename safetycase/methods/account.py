"""What rows must agree in: with the edit of their arm, with the baseline, with each other.

Every function takes answers column by column and says of each row whether it agrees; nothing
here knows what was stated about them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from safetycase.methods.gap import Gap
from safetycase.methods.grid import BASELINE, axis_of, is_unedited
from safetycase.methods.rounding import SAME_NORM, SAME_SCORE
from safetycase.methods.turns import all_fed_back, turn_faults, uncut_faults
from safetycase.record.plan import Plan
from safetycase.record.planned_axis import Positions
from safetycase.record.planned_evaluation import Generate
from safetycase.tables.alike import alike
from safetycase.tables.columns import Answers, Flags, Numbers, stacked
from safetycase.tables.evidence import Items

SCORES = {
    "generations": ("nll",),
    "choices": ("forward_matching", "forward_other", "swapped_matching", "swapped_other"),
    "probes": ("score",),
    "likelihoods": ("nll",),
}
"""What the model's numbers say, by table; two equal computations differ in their last bits."""
LETTER_PAIRS = (("forward_matching", "forward_other"), ("swapped_matching", "swapped_other"))

Arms = Mapping[tuple[str, str], Answers]
"""All answers of a case, by evaluation and arm."""

_ANY = 1e300
"""More than two readings of anything differ."""
_EXCESS = 1e-4
"""By how much rounded probabilities of two letters may sum to more than one."""


def near(a: Numbers, b: Numbers | float, *, relative: float, absolute: float) -> Flags:
    """Whether numbers agree to a share of the larger one, or to an absolute distance."""
    size = np.maximum(np.abs(a), np.abs(b))
    agree: Flags = np.abs(np.subtract(a, b)) <= np.maximum(relative * size, absolute)
    return agree


def outcome_gaps(plan: Plan, stated: Arms, graded: Arms) -> Iterator[Gap]:
    """Rows with another outcome than the one they are given again, of arms that are graded."""
    for key, answers in stated.items():
        if key in graded:
            one, again = answers.outcome, graded[key].outcome
            for row in np.flatnonzero(~one.same_as(again)).tolist():
                axis = axis_of(plan, key[1])
                yield Gap(answers.where(row), again[row], one[row], axis=axis)


def hook_gaps(plan: Plan, answers: Arms) -> Iterator[Gap]:
    """Rows whose account of the hook is not one that their arm could have (`hook_faults`)."""
    positions = {axis.id: axis.candidate.positions for axis in plan.axes}
    for (_, arm), rows in answers.items():
        axis = axis_of(plan, arm)
        for expected, bad in hook_faults(arm, rows, positions.get(axis or "", "all_but_bos")):
            for row in np.flatnonzero(bad).tolist():
                found = f"{rows.edits[row]} edits of mean size {rows.delta[row]}"
                yield Gap(rows.where(row), expected, found, axis=axis)


def hook_faults(
    arm: str, answers: Answers, positions: Positions = "all_but_bos"
) -> Iterator[tuple[str, Flags]]:
    """What the hook's account of an arm should have been, and the rows where it was not.

    The baseline and a prompt have no hook; under every other arm the hook saw a position of
    every row, but where only generated tokens are edited and none was fed back; the sham's edit
    has no size.
    """
    if is_unedited(arm):
        touched = (answers.edits > 0) | (answers.delta > 0) | (answers.residual > 0)
        yield "no hook at all", touched
        return
    unseen = (answers.edits == 0) | (answers.residual == 0)
    if positions == "generated" and answers.kind == "generations":
        fed = all_fed_back(answers)
        yield "a position for every generated token but the last", answers.edits != fed
        unseen &= fed > 0
    yield "at least one position seen by the hook", unseen
    if arm.endswith("/sham"):
        yield "an edit of size 0", ~unseen & (answers.delta > 0)


def same_answers(before: Answers, after: Answers, *, noise: float) -> Flags:
    """Whether answers to the same items, row for row, are the same but for noise of scores."""
    if before.kind != after.kind:
        return np.zeros(len(after), dtype=np.bool_)
    same = np.ones(len(after), dtype=np.bool_)
    for name in SCORES[after.kind]:
        one, two = before.numbers(name), after.numbers(name)
        same &= near(one, two, relative=noise, absolute=noise)
    if after.kind == "generations":
        same &= before.texts("output").same_as(after.texts("output"))
    return same


def beside_baseline(answers: Arms, arm: str) -> Iterator[tuple[Answers, Answers]]:
    """The baseline's answers and an arm's, to the same items, of every evaluation with both."""
    for (evaluation, name), rows in answers.items():
        baseline = answers.get((evaluation, BASELINE))
        if name == arm and baseline is not None:
            places = baseline.places_of(rows)
            here = places >= 0
            yield baseline.take(places[here]), rows.take(np.flatnonzero(here))


def sham_gaps(before: Answers, after: Answers, dtype: str) -> Iterator[Gap]:
    """Answers that are not those before them; `dtype` names the model's number format."""
    for row in np.flatnonzero(~same_answers(before, after, noise=SAME_SCORE[dtype])).tolist():
        yield Gap(after.where(row), "the baseline's answer", "another")


def excess_probability(answers: Answers) -> Iterator[tuple[Numbers, Flags]]:
    """For each letter order, both letters' probability, and whether it is above one."""
    for first, second in LETTER_PAIRS:
        total = np.exp(answers.numbers(first)) + np.exp(answers.numbers(second))
        yield total, total > 1.0 + _EXCESS


def impossible(answers: Answers, limit: int) -> Iterator[tuple[int, str, str]]:
    """Rows that no model could have given, what they could have held, and what they hold.

    `limit`: the most tokens that an answer may have.
    """
    if answers.kind == "generations":
        yield from uncut_faults(answers, limit)
    elif answers.kind == "choices":
        for total, bad in excess_probability(answers):
            for row in np.flatnonzero(bad).tolist():
                yield row, "two probabilities that sum to at most 1", repr(float(total[row]))


def impossible_gaps(plan: Plan, items: Items, answers: Arms) -> Iterator[Gap]:
    """Rows that could not occur by themselves, to their items, or beside the baseline's."""
    limits = {
        evaluation.id: evaluation.measure.max_new_tokens
        for evaluation in plan.evaluations
        if isinstance(evaluation.measure, Generate)
    }
    for (evaluation, arm), rows in answers.items():
        axis = axis_of(plan, arm)
        faults = [*impossible(rows, limits.get(evaluation, 0))]
        for row, expected, found in [*faults, *turn_faults(plan, evaluation, items, rows)]:
            yield Gap(rows.where(row), expected, found, axis=axis)
        for row, tokens in other_tokens(answers, evaluation, arm):
            found = str(rows.numbers("tokens")[row])
            yield Gap(rows.where(row), f"{tokens} tokens", found, axis=axis)


@dataclass(frozen=True, slots=True)
class Unlike:
    """A row that should have the account of the first row like it, and has another."""

    answers: Answers
    place: int
    first: Answers
    edits: int
    residual: float


def changed_upstream(arms: Sequence[Answers], *, noise: float) -> Iterator[Unlike]:
    """Rows whose positions or activation norms differ from the first row's of their input.

    Arms of one evaluation, in order. Of scored answers the input is the item; a generated text
    is read together with its item.
    """
    inputs = _numbered_inputs(arms)
    different = 1 + max((int(number.max()) for number in inputs if len(number)), default=0)
    first_arm = np.full(different, -1, dtype=np.int64)
    edits = np.zeros(different, dtype=np.int64)
    residual = np.zeros(different, dtype=np.float64)
    for place, (answers, number) in enumerate(zip(arms, inputs, strict=True)):
        # Written back to front, so that of equal inputs the first row stays.
        new = np.flatnonzero(first_arm[number] < 0)[::-1]
        first_arm[number[new]] = place
        edits[number[new]] = answers.edits[new]
        residual[number[new]] = answers.residual[new]
        unlike = np.not_equal(answers.edits, edits[number])
        norms = residual[number]
        if not np.array_equal(answers.residual, norms):  # most arms have the very same
            unlike |= ~near(answers.residual, norms, relative=noise, absolute=noise)
        for row in np.flatnonzero(unlike).tolist():
            n = number[row]
            first = arms[int(first_arm[n])]
            yield Unlike(answers, row, first, int(edits[n]), float(residual[n]))


def upstream_gaps(arms: Sequence[Answers], dtype: str, *, of_norms: bool) -> Iterator[Gap]:
    """Rows that saw other positions or norms than the first row of their input did.

    Norms are compared as far as the model's number format gives them twice; without `of_norms`
    positions alone are.
    """
    for row in changed_upstream(arms, noise=SAME_NORM[dtype] if of_norms else _ANY):
        where, first = row.answers.where(row.place), row.first.texts("arm")[0]
        found = f"{row.answers.edits[row.place]} of norm {row.answers.residual[row.place]}"
        yield Gap(where, f"{row.edits} of norm {row.residual}, as under {first}", found)


def unequally_likely(answers: Answers, dtype: str) -> Iterator[Gap]:
    """Generated answers with another likelihood than the first equal answer to their item.

    Equal ones are scored in batches of different shape: as near as the number format gives.
    """
    first = answers.first_alike("evaluation", "item", "output", "tokens", "stop")
    nll = answers.numbers("nll")
    noise = SAME_SCORE[dtype]
    alike = near(nll, nll[first], relative=noise, absolute=noise)
    for row in np.flatnonzero(~alike).tolist():
        before = answers.texts("arm")[first[row]]
        expected = f"{nll[first[row]]}, as under {before}"
        yield Gap(answers.where(row), expected, repr(float(nll[row])))


def _numbered_inputs(arms: Sequence[Answers]) -> list[Numbers]:
    """For each arm, the number of each row's input."""
    if not arms:
        return []
    is_text = all(answers.kind == "generations" for answers in arms)
    columns = ("item", "output", "tokens") if is_text else ("item",)
    parts = [stacked([answers.held[column] for answers in arms]) for column in columns]
    number = alike(*parts) if is_text else parts[0]
    ends = np.cumsum([len(answers) for answers in arms])
    return np.split(number, ends[:-1])


def other_tokens(answers: Arms, evaluation: str, arm: str) -> Iterator[tuple[int, int]]:
    """Rows of a given text with another number of tokens than the baseline's, and that number.

    None under a prompt, which may join the text's first token to its own.
    """
    rows, baseline = answers[evaluation, arm], answers.get((evaluation, BASELINE))
    if baseline is None or rows.kind != "likelihoods" or baseline.kind != rows.kind:
        return
    if is_unedited(arm):
        return
    places = baseline.places_of(rows)
    tokens = baseline.numbers("tokens")[places]
    wrong = (places >= 0) & (rows.numbers("tokens") != tokens)
    for row in np.flatnonzero(wrong).tolist():
        yield row, int(tokens[row])
