"""Classes of prompts: by a column of the items, or by what the unedited model answered."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from safetycase.errors import MethodRefused
from safetycase.methods.classes import class_name, classes_of
from safetycase.methods.identify import finds_nothing, held_out_auroc, select_features
from safetycase.record.planned_axis import Axis
from safetycase.record.unavailable import Unavailable
from safetycase.tables.evidence import Evidence, Items, group_answers
from safetycase.tables.rows import ExclusionRow, GenerationRow, ItemRow, LabelCheckRow
from tests.unit.methods.plans import plan_data, plan_of

MEASURE = {"evaluation": "ask", "outcomes": ["unsafe", "odd"]}


def _axis(**rule: Any) -> Axis:
    data = plan_data()
    contrast = {"dataset": "items", "label": "outcome", "measure": MEASURE}
    data["axes"][0]["selection"] |= {"contrast": contrast, **rule}
    return plan_of(data).axes[0]


def _evidence(
    given: list[list[str]],
    split: str = "discovery",
    tensors: dict[str, np.ndarray] | None = None,
    checks: list[LabelCheckRow] | None = None,
) -> Evidence:
    """Items with the outcomes of their samples; an empty text is an answer nobody has."""
    items = [
        ItemRow("items", f"i{n}", f"c{n}", "k", "yes", split, None, None, "p")
        for n in range(len(given))
    ]
    rows = [
        GenerationRow("ask", "baseline", f"i{n}", k, "", 1, "eos", 0.1, 0, 0.0, 0.0, outcome)
        for n, outcomes in enumerate(given)
        for k, outcome in enumerate(outcomes)
        if outcome
    ]
    gone = [
        ExclusionRow("ask", "baseline", f"i{n}", k, "out_of_memory_after_retries")
        for n, outcomes in enumerate(given)
        for k, outcome in enumerate(outcomes)
        if not outcome
    ]
    grouped = group_answers(rows) if rows else {}
    return Evidence(Items(items), grouped, [], checks or [], tensors or {}, exclusions=gone)


def test_an_item_is_positive_if_more_than_half_of_its_answers_count() -> None:
    given = [
        ["unsafe", "odd", "refusal"],
        ["unsafe", "refusal", "refusal"],
        ["unsafe", "", "refusal"],
        ["unsafe", "", ""],
        ["", "", ""],
        ["other", "other", "refusal"],
    ]
    found = classes_of(_axis().selection.contrast, _evidence(given), "discovery")
    assert found.places.tolist() == [0, 1, 2, 3, 5]
    # half is not more than half
    assert found.positive.tolist() == [True, False, False, True, False]
    assert (found.sizes, found.unanswered, found.are_two) == ((2, 3), 1, True)


def test_answers_that_are_missing_without_a_word_are_refused() -> None:
    evidence = _evidence([["unsafe"], ["refusal"], ["refusal"]])
    contrast = _axis().selection.contrast
    short = {key: rows.take(slice(0, 2)) for key, rows in evidence.answers.items()}
    with pytest.raises(MethodRefused, match="2 rows"):
        classes_of(contrast, Evidence(evidence.items, short, [], [], {}), "discovery")
    with pytest.raises(MethodRefused, match="by which prompts have a class"):
        classes_of(contrast, Evidence(evidence.items, {}, [], [], {}), "discovery")


def test_a_contrast_named_both_ways_or_neither_is_refused() -> None:
    evidence = _evidence([["unsafe"], ["refusal"]])
    contrast = _axis().selection.contrast
    for fields in (
        {"measure": None},
        {"positive": "unsafe"},
        {"label": "kind"},
        {"label": "kind", "measure": None},
    ):
        wrong = contrast.model_copy(update=fields)
        with pytest.raises(MethodRefused, match="a measure with label outcome"):
            classes_of(wrong, evidence, "discovery")


def test_the_class_has_a_name_that_nobody_wrote() -> None:
    assert class_name(_axis().selection.contrast) == "prompts with outcome unsafe or odd of ask"
    assert class_name(plan_of(plan_data()).axes[0].selection.contrast) == "yes"


def _searched(given: list[list[str]], x: np.ndarray, **rule: Any) -> tuple[Axis, Evidence]:
    rows, columns = np.nonzero(x)
    tensors = {
        "axis.values": x[rows, columns],
        "axis.columns": columns.astype(np.int32),
        "axis.indptr": np.searchsorted(rows, np.arange(len(x) + 1)).astype(np.int64),
        "axis.width": np.array([x.shape[1]], dtype=np.int64),
    }
    return _axis(**rule), _evidence(given, tensors=tensors)


def test_features_are_ranked_by_the_answered_items_alone() -> None:
    """AUROC and p are those of scipy on the items that have a class."""
    rng = np.random.default_rng(5)
    unsafe = rng.integers(2, size=80).astype(bool)
    given = [["unsafe"] if y else ["refusal"] for y in unsafe]
    given[7] = given[30] = [""]
    x = rng.integers(0, 6, size=(80, 4)).astype(np.float32)
    x[:, 2] += 3 * unsafe
    x[[7, 30], 2] = 1000.0  # nobody knows what these are: they must not count
    axis, evidence = _searched(given, x)
    found = select_features(axis, evidence)
    keep = [n for n in range(80) if n not in (7, 30)]
    one, two = (x[keep, 2][unsafe[keep] == c].astype(float) for c in (True, False))
    wanted = stats.mannwhitneyu(one, two, method="asymptotic")
    [best] = found.features
    assert (best.feature, found.unanswered) == (2, 2)
    assert best.auroc == pytest.approx(wanted.statistic / len(one) / len(two), abs=1e-12)
    assert best.p == pytest.approx(wanted.pvalue, rel=1e-9)
    assert (found.positive_items, found.negative_items) == (len(one), len(two))


@pytest.mark.parametrize("statistic", ["auroc", "standardised_mean_difference"])
@pytest.mark.parametrize("ones", [0, 1, 29, 30])
def test_one_outcome_is_no_contrast_and_finds_nothing(ones: int, statistic: str) -> None:
    given = [["unsafe"] if n < ones else ["refusal"] for n in range(30)]
    x = np.arange(60, dtype=np.float32).reshape(30, 2)
    axis, evidence = _searched(given, x, statistic=statistic)
    found = select_features(axis, evidence)
    assert (found.candidates, found.features, found.unanswered) == (0, (), None)
    assert (found.positive_items, found.negative_items) == (ones, 30 - ones)
    assert finds_nothing(axis, evidence)


def _checks(values: list[float]) -> list[LabelCheckRow]:
    return [LabelCheckRow("axis", 3, f"i{n}", -1, v, False) for n, v in enumerate(values)]


def test_held_out_auroc_is_by_held_out_outcomes() -> None:
    given = [["unsafe"], ["refusal"], [""], ["unsafe"], ["refusal"]]
    checks = _checks([3.0, 1.0, 9.0, 2.0, 2.0])
    evidence = _evidence(given, "held_out", checks=checks)
    assert held_out_auroc(_axis(), 3, evidence) == pytest.approx(3.5 / 4)


def test_one_held_out_outcome_gives_a_reason_and_no_figure() -> None:
    evidence = _evidence([["unsafe"]] * 3, "held_out", checks=_checks([1.0, 2.0, 0.0]))
    found = held_out_auroc(_axis(), 3, evidence)
    assert isinstance(found, Unavailable)
    assert found.reason == "all held-out prompts that have a class are of one class"
