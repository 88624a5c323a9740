"""Attacks on what is said to be missing: causes, places, numbers, and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass

from safetycase.tables.rows import ExclusionRow
from tests.kit.builder import Json, KitCase, build_case, edit_record, edit_row, with_rows
from tests.kit.cases import ForgetfulWorld, forgetful_case, forgetful_plan, lenient
from tests.kit.places import KNOWLEDGE, WATCHED, axis_pointer, entry_at, result, rows_at
from tests.kit.register import HELD_OUT, attack

_TARGET = "watched/target"
_CAUSE = "out_of_memory_after_retries"


def _refusals(case: KitCase) -> list[tuple[int, Json]]:
    rows = rows_at(case, "generations", _TARGET, "ask")
    return [(number, row) for number, row in rows if row.outcome != "unsafe"]


def _with_exclusion(case: KitCase, *more: ExclusionRow) -> KitCase:
    return with_rows(case, "exclusions", [*case.rows("exclusions"), *more])


@attack("exclusions", "insider", refused_by={"DES-008"}, base=forgetful_case)
def answer_excluded_for_what_it_says(case: KitCase) -> KitCase:
    """Give another cause for a missing answer: that it could not be graded.

    Answers that do not please are said to be missing.
    """
    return edit_row(case, "exclusions", 0, cause="answer_could_not_be_graded")


@attack("exclusions", "insider", refused_by={"DES-008"}, base=forgetful_case)
def excluded_twice(case: KitCase) -> KitCase:
    """Write one exclusion down twice.

    The count of missing answers is made up.
    """
    return _with_exclusion(case, case.rows("exclusions")[0])


@attack("exclusions", "insider", refused_by={"DES-008"}, base=forgetful_case)
def exclusion_of_what_nobody_asked(case: KitCase) -> KitCase:
    """Exclude a discovery item under the target, where it was never to be asked.

    Items can be moved out of sight under another name.
    """
    item = next(row.item for row in case.rows("items") if row.split == "discovery")
    return _with_exclusion(case, ExclusionRow("ask", _TARGET, item, 0, _CAUSE))


@attack("exclusions", "insider", refused_by={"DES-005"}, unknown=HELD_OUT, base=forgetful_case)
def answered_and_excluded(case: KitCase) -> KitCase:
    """Exclude an answer of the target that is there.

    Whoever reads may choose whether it counts.
    """
    _, row = _refusals(case)[0]
    return _with_exclusion(case, ExclusionRow("ask", _TARGET, row.item, 0, _CAUSE))


@attack("exclusions", "insider", refused_by={"DES-005"}, unknown=HELD_OUT, base=forgetful_case)
def exclusion_not_written_down(case: KitCase) -> KitCase:
    """Drop the row that says why an answer of the target is missing.

    Answers disappear without a word.
    """
    rows = [row for row in case.rows("exclusions") if row.arm != _TARGET]
    return with_rows(case, "exclusions", rows)


@attack(
    "exclusions",
    "insider",
    refused_by={
        "STA-001", "STA-002", "STA-006", "BES-001", "IVN-005", "CLM-001", "CLM-003", "CLM-005",
    },
    base=forgetful_case,
)  # fmt: skip
def refusal_said_to_be_out_of_memory(case: KitCase) -> KitCase:
    """Take out one of the target's refusals and say that memory ran out: a permitted cause.

    The rate is taken over the answers that please; the figures do not count it as the worst.
    """
    number, row = _refusals(case)[0]
    rows = case.rows("generations")
    del rows[number]
    gone = ExclusionRow("ask", _TARGET, row.item, row.sample, _CAUSE)
    return _with_exclusion(with_rows(case, "generations", rows), gone)


@attack("exclusions", "insider", refused_by={"STA-001"}, base=forgetful_case)
def missing_answers_not_counted_as_the_worst(case: KitCase) -> KitCase:
    """Lower the upper bound of a rate to that of the answers that are there.

    What is missing is taken to be harmless.
    """
    number = entry_at(case, WATCHED, "rates", _TARGET, "ask")
    high = result(case, WATCHED)["rates"][number]["high"]
    return edit_record(case, axis_pointer(WATCHED, "rates", number, "high"), high - 0.02)


@attack("exclusions", "insider", refused_by={"STA-002"}, base=forgetful_case)
def missing_pairs_not_told(case: KitCase) -> KitCase:
    """State of the target's comparison that its missing pairs move nothing, either way.

    The worst that the missing answers could do is not seen.
    """
    number = entry_at(case, WATCHED, "comparisons", _TARGET, "ask")
    stated = result(case, WATCHED)["comparisons"][number]
    same = {"least": stated["difference"], "most": stated["difference"]}
    pointer = axis_pointer(WATCHED, "comparisons", number, "excluded")
    return edit_record(case, pointer, stated["excluded"] | same)


@dataclass(frozen=True)
class _ForgettingWorld(ForgetfulWorld):
    """A toy whose memory runs out on a fifth of the quiz, under every edit of its knowledge."""

    def missing(self, evaluation: str, arm: str, item: str) -> str | None:
        if evaluation == "quiz" and arm == "knowledge/target" and int(item[1:]) % 5 == 0:
            return _CAUSE
        return super().missing(evaluation, arm, item)


@attack(
    "exclusions",
    "insider",
    unknown={"DES-009"},
    base=forgetful_case,
    under=lenient,
    seals_itself=True,
    as_outsider=None,
)
def a_fifth_of_an_arm_missing(_case: KitCase) -> KitCase:
    """Say of a fifth of the target's answers that memory ran out, consistently, in all figures.

    So much is missing that nothing follows; the plan allows one in ten.
    """
    made = build_case(forgetful_plan(), world=_ForgettingWorld(7))
    assert result(made, KNOWLEDGE)["comparisons"][0]["excluded"]["pairs"] > 0
    return made


@attack("exclusions", "insider", refused_by={"STA-007"})
def change_too_small_to_be_seen_said_to_be_seen(case: KitCase) -> KitCase:
    """State that the sample finds smaller changes than it does.

    No effect passes for shown to be none.
    """
    pointer = axis_pointer(WATCHED, "claim", "detectable")
    stated = result(case, WATCHED)["claim"]["detectable"]
    return edit_record(case, pointer, stated / 4)
