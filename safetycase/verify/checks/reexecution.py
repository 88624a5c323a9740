"""Stage 5: what a reviewer's statement says of rows that were measured again."""

from __future__ import annotations

from collections.abc import Iterator

from safetycase.methods.compare import differences
from safetycase.methods.replay_result import recounted, redrawn
from safetycase.methods.replay_review import Review
from safetycase.record.replay import Replay
from safetycase.verify.case import OpenedCase
from safetycase.verify.check import Family, Fault, NotApplicable, Run, told

FAMILY = Family(
    "REP", "Re-execution",
    "Whoever measured again must be somebody else, and must have counted.",
    stage=5, tier="reproduced", needs=("statement",), absence_is_harmless=True,
)  # fmt: skip

_NONE = NotApplicable("the case holds no reviewer's statement of a re-execution")
_COUNTS = frozenset({"differing", "at_most"})
_HOWTO = "docs/howto/replay.md"


@FAMILY.check(
    1,
    proves="Every statement of a re-execution is well formed, and every signature on it by a "
    "key of the policy is whole (Ed25519 and ML-DSA-65) and by somebody who is no developer of "
    "the policy and has not signed the case.",
    cannot_prove="That the reviewer is independent of the developer in other ways, or that the "
    "developer has not made the reviewer's keys: whom a policy names is its user's judgement.",
    references=("design 6", "question 33 (independence)", _HOWTO),
    owns=("statements/replay-*.dsse.json: signatures and form",),
)
def reviewer_is_somebody_else(case: OpenedCase) -> Run:
    """No statement of a re-execution is the developer's own, or half signed."""
    if not case.replays:
        return _NONE
    for review in case.replays:
        for found in review.false_witnesses:
            yield Fault(review.name, "whole signatures by somebody else", found)
    return len(case.replays)


@FAMILY.check(
    2,
    needs=("record", "plan", "rows", "replays"),
    proves="Every statement of a reviewer of the policy is about this case and its weights and "
    "lists as drawn the rows that its nonce and the case id choose: of all rows of the case, "
    "and of those behind each claim.",
    cannot_prove="That the nonce was unknown to the developer, or that no other nonces were "
    "tried and dropped: a reviewer can publish the nonce's hash before the case arrives, and "
    "the nonce after.",
    references=("question 32 (verifiable sample)", "trust 3.4", _HOWTO),
    owns=("statements/replay-*.dsse.json: case, nonce, rows, weights, samples/*/chosen",),
)
def rows_were_drawn_by_the_nonce(case: OpenedCase) -> Run:
    """The rows measured again are those that nonce and case id choose."""
    if not case.reviews:
        return _NONE
    root = case.record.subject.tensor_root
    for review in case.reviews:
        where = f"{review.name}#/payload"
        if review.case_id != case.case_id:
            yield Fault(f"{where}/subject", f"the case {case.case_id}", review.case_id)
            continue
        yield from _differences(review, redrawn(case.published, root, review.replay), _COUNTS)
    return len(case.reviews)


@FAMILY.check(
    3,
    needs=("plan", "rows", "replays"),
    proves="Which of the listed rows agree, by how much the others differ, how many differ in "
    "each sample, and the bound on the rest, all follow from the values that the statement "
    "lists beside the published rows, within the tolerance of the plan's number format.",
    cannot_prove="That the reviewer measured those values: that is the reviewer's word.",
    references=("Buonaccorsi 1987, The American Statistician 41:215", "trust 8.3", _HOWTO),
    owns=("statements/replay-*.dsse.json: measured, level, tolerance, differing, at_most",),
)
def agreement_follows_from_the_rows(case: OpenedCase) -> Run:
    """Agreement and bounds follow from the listed rows."""
    here = [review for review in case.reviews if review.case_id == case.case_id]
    if not here:
        return _NONE
    for review in here:
        yield from _differences(review, recounted(case.published, review.replay, review.name))
    return len(here)


def _differences(
    review: Review, derived: Replay, skip: frozenset[str] = frozenset()
) -> Iterator[Fault]:
    where = f"{review.name}#/payload/predicate"
    stated, again = (each.spelled() for each in (review.replay, derived))
    yield from told(differences(where, stated, again, skip=skip))
