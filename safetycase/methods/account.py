"""What rows must agree in: with the edit of their arm, with the baseline, with each other.

Every function takes answers column by column and says of each row whether it agrees; nothing
here knows what was stated about them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from safetycase.methods.grid import BASELINE, is_unedited
from safetycase.record.planned_axis import Positions
from safetycase.tables.alike import alike
from safetycase.tables.columns import Answers, Flags, Numbers, stacked

SCORES = {
    "generations": ("nll",),
    "choices": ("forward_matching", "forward_other", "swapped_matching", "swapped_other"),
    "probes": ("score",),
    "likelihoods": ("nll",),
}
"""What the model's numbers say, by table; two equal computations differ in their last bits."""
LETTER_PAIRS = (("forward_matching", "forward_other"), ("swapped_matching", "swapped_other"))

_EXCESS = 1e-4
"""By how much rounded probabilities of two letters may sum to more than one."""


def near(a: Numbers, b: Numbers | float, *, relative: float, absolute: float) -> Flags:
    """Whether numbers agree to a share of the larger one, or to an absolute distance."""
    size = np.maximum(np.abs(a), np.abs(b))
    agree: Flags = np.abs(np.subtract(a, b)) <= np.maximum(relative * size, absolute)
    return agree


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
        fed = answers.numbers("tokens") - 1
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


def excess_probability(answers: Answers) -> Iterator[tuple[Numbers, Flags]]:
    """For each letter order, both letters' probability, and whether it is above one."""
    for first, second in LETTER_PAIRS:
        total = np.exp(answers.numbers(first)) + np.exp(answers.numbers(second))
        yield total, total > 1.0 + _EXCESS


def impossible(answers: Answers, limit: int) -> Iterator[tuple[int, str, str]]:
    """Rows that no model could have given, what they could have held, and what they hold.

    `limit`: the most tokens that a text may have.
    """
    if answers.kind == "generations":
        tokens, stop = answers.numbers("tokens"), answers.texts("stop")
        for row in np.flatnonzero((tokens < 1) | (tokens > limit)).tolist():
            yield row, f"1 to {limit} tokens", str(tokens[row])
        cut = stop.among({"length"}) & (tokens != limit)
        for row in np.flatnonzero(cut | ~stop.among({"eos", "length"})).tolist():
            yield row, f"eos, or length at {limit} tokens", f"{stop[row]} at {tokens[row]}"
    elif answers.kind == "choices":
        for total, bad in excess_probability(answers):
            for row in np.flatnonzero(bad).tolist():
                yield row, "two probabilities that sum to at most 1", repr(float(total[row]))


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
        norms = near(answers.residual, residual[number], relative=noise, absolute=noise)
        unlike = ~norms | (answers.edits != edits[number])
        for row in np.flatnonzero(unlike).tolist():
            n = number[row]
            first = arms[int(first_arm[n])]
            yield Unlike(answers, row, first, int(edits[n]), float(residual[n]))


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


def other_tokens(
    answers: Mapping[tuple[str, str], Answers], evaluation: str, arm: str
) -> Iterator[tuple[int, int]]:
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
