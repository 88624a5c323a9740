"""Stage 6: the design can show what it claims, and was carried out cell by cell."""

from __future__ import annotations

from safetycase.methods.completeness import gaps, planned_rows
from safetycase.methods.design import Sample, design_figures, unattainable
from safetycase.methods.exclusions import exclusion_gaps, missing_gaps
from safetycase.methods.grid import cells
from safetycase.methods.items import crossing_gaps, repeat_gaps, split_gaps
from safetycase.methods.lint import lint
from safetycase.verify.case import OpenedCase
from safetycase.verify.check import Family, Fault, Run, compared, told

FAMILY = Family(
    "DES", "Design", "The plan must be able to show its claims, and be carried out.",
    stage=6, tier="recomputed", needs=("plan", "rows"),
)  # fmt: skip


@FAMILY.check(
    1,
    needs=("plan",),
    proves="The plan has no fault that lint refuses: names resolve, the controls are enough "
    "for alpha over the family of claims, doses have zero and both signs, claims of no change "
    "have a manipulation check.",
    cannot_prove="That items are good, margins sensible, or that the plan came first.",
    references=("design 4", "question 5 (attainable p)", "question 8 (dose-response)"),
    owns=("plan.json",),
)
def plan_can_reach_its_claims(case: OpenedCase) -> Run:
    """The plan has no fault that refuses it."""
    for fault in lint(case.plan):
        where, _, rest = fault.partition(": ")
        yield Fault(f"plan.json#{where}", "a plan without this fault", rest, fault)
    return len(case.plan.axes)


@FAMILY.check(
    2,
    proves="Every item stands in the split that the plan's digest and shares give its cluster, "
    "so that clusters are whole and nobody chose what is held out.",
    cannot_prove="That clusters hold everything alike; that is the author's sorting.",
    references=("design 4", "question 2 (disjoint splits)"),
    owns=("evidence/items.jsonl: split",),
)
def splits_follow_from_the_plan(case: OpenedCase) -> Run:
    """Every item is in the split that the plan's seed gives its cluster."""
    derived = case.derived.items.rows
    yield from told(split_gaps(case.rows("items"), derived))
    return len(derived)


@FAMILY.check(
    3,
    needs=("record", "plan", "rows"),
    proves="The stated sizes of the splits are those of the items.",
    cannot_prove="That the items are all there were.",
    references=("design 4",),
    owns=("case.json#/results/splits",),
)
def split_sizes_are_stated(case: OpenedCase) -> Run:
    """The stated split sizes are those of the items."""
    return (yield from compared(case, "/results/splits", case.derived.splits))


@FAMILY.check(
    4,
    proves="No prompt of one split occurs, letter case and spacing aside, in another: nothing "
    "is tested on what it was found on.",
    cannot_prove="That no paraphrase crosses over; clusters are the author's.",
    references=("question 2 (near-duplicates)", "https://arxiv.org/abs/2501.16496"),
    owns=("evidence/items.jsonl: cluster, prompt",),
)
def no_prompt_crosses_splits(case: OpenedCase) -> Run:
    """No prompt stands in two splits."""
    rows = case.derived.items.rows
    yield from told(crossing_gaps(rows))
    return len(rows)


@FAMILY.check(
    5,
    proves="The answers are exactly those of the plan's grid: every arm on every item of its "
    "split, once, in order; nothing is dropped, repeated or added, and nothing is missing but "
    "what a row of exclusions names.",
    cannot_prove="That an answer was not asked for again until it pleased. An axis has no arms "
    "where the search, repeated on the published activations, finds no feature.",
    references=("design 4", "question 3 (complete reporting)"),
    owns=("evidence/generations.jsonl: evaluation, arm, item, sample",
          "evidence/choices.jsonl: evaluation, arm, item",
          "evidence/probes.jsonl: evaluation, arm, item"),
)  # fmt: skip
def grid_is_complete(case: OpenedCase) -> Run:
    """Every planned cell is answered, in order, and nothing else is."""
    without, excluded = case.derived.featureless, case.evidence.excluded
    planned = planned_rows(case.plan, case.derived.items, without, excluded)
    for kind, wanted in planned.items():
        answers = case.answers(kind) if kind in case.tables else None
        yield from told(gaps(kind, wanted, answers))
    return sum(cell.size for cells in planned.values() for cell in cells)


@FAMILY.check(
    6,
    tier="sound",
    proves="The held-out sample is large enough for what the plan asks: margins could be kept "
    "by a model that does not change, and the controls can reach alpha.",
    cannot_prove="That the sample is a fair one. A sample that is too small is no fault of the "
    "figures: it leaves the question open.",
    references=("question 16 (power)", "https://arxiv.org/abs/2411.00640"),
    owns=("the size of the held-out split",),
)
def sample_is_large_enough(case: OpenedCase) -> Run:
    """The held-out sample can show what the plan asks for."""
    held_out = {
        dataset.id: Sample.of(case.derived.items.of(dataset.id, "held_out"))
        for dataset in case.plan.datasets
    }
    figures = design_figures(case.plan, held_out)
    yield from told(unattainable(figures))
    return len(figures)


@FAMILY.check(
    7,
    proves="No question of a dataset is counted twice in one split.",
    cannot_prove="That the questions are independent of each other.",
    references=("question 14 (units of analysis)",),
    owns=("evidence/items.jsonl: prompt, target, other",),
)
def no_question_counts_twice(case: OpenedCase) -> Run:
    """No question stands twice in a split of its dataset."""
    rows = case.derived.items.rows
    yield from told(repeat_gaps(rows))
    return len(rows)


@FAMILY.check(
    8,
    proves="Every planned answer is there or has one row of exclusions with a cause that the "
    "plan permitted beforehand, of a closed list of causes in which no answer has a part. All "
    "figures take what is missing as the worst, both ways (intention to treat).",
    cannot_prove="That the cause was the true one: an answer that did not please can be called "
    "one that ran out of memory. That is why it counts as the worst.",
    references=("question 3 (complete reporting, intention to treat)", "design 10"),
    owns=("evidence/exclusions.jsonl",),
)
def exclusions_are_permitted(case: OpenedCase) -> Run:
    """Every missing answer has a cause that the plan permits."""
    without = case.derived.featureless
    yield from told(exclusion_gaps(case.plan, case.derived.ungraded, without))
    return sum(1 for _ in cells(case.plan, without))


@FAMILY.check(
    9,
    proves="In no arm and split is the share of missing answers larger than the plan allows.",
    cannot_prove="That the missing ones are like the others; they count as the worst.",
    references=("question 3 (complete reporting)", "question 15 (small n)"),
    owns=("the number of rows of evidence/exclusions.jsonl",),
)
def few_answers_are_missing(case: OpenedCase) -> Run:
    """No arm lacks more answers than the plan allows."""
    without = case.derived.featureless
    yield from told(missing_gaps(case.plan, case.derived.ungraded, without))
    return sum(1 for _ in cells(case.plan, without))
