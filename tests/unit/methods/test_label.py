from __future__ import annotations

import pytest

from safetycase.methods.label import (
    balanced_accuracy,
    label_check_rows,
    label_of,
    label_score,
    label_word_rows,
    repredict,
    vocabularies,
    words,
)
from safetycase.record.identification import LabelScore
from safetycase.record.unavailable import Unavailable
from safetycase.tables.evidence import Items
from safetycase.tables.rows import ItemRow, LabelCheckRow, LabelWordRow
from tests.unit.methods.plans import plan_data, plan_of

AXIS = plan_of(plan_data()).axes[0]


def test_words_keep_their_place_and_fold_case() -> None:
    assert [(w.text, w.start, w.end) for w in words("A Test, twice!")] == [
        ("a", 0, 1),
        ("test", 2, 6),
        ("twice", 8, 13),
    ]


def test_a_label_is_the_words_with_the_largest_mean_activation() -> None:
    rows = label_word_rows(
        "axis", 3, ["test me", "test it", "me once"], [[4.0, 1.0], [2.0, 0.0], [3.0, 9.0]]
    )
    # `it` and `once` occur once; `me` has mean 2, `test` mean 3
    assert [(r.word, r.count, r.activation) for r in rows] == [("test", 2, 3.0), ("me", 2, 2.0)]
    assert label_of(rows, 1) == ("test",)


def test_equal_words_are_taken_in_alphabetical_order() -> None:
    rows = label_word_rows("axis", 3, ["b a", "b a"], [[1.0, 1.0], [1.0, 1.0]])
    assert label_of(list(reversed(rows)), 1) == ("a",)


def test_a_word_on_which_the_feature_is_silent_is_no_label() -> None:
    assert label_word_rows("axis", 3, ["a", "a"], [[0.0], [0.0]]) == []


@pytest.mark.parametrize(("prompt", "fires"), [("a TEST", True), ("a testing", False)])
def test_a_label_predicts_by_whole_words(prompt: str, fires: bool) -> None:
    rows = label_check_rows("axis", 3, ["test"], [_item("i", prompt)], [[1.0, 0.0, 1.0]], 1)
    assert [(row.position, row.activation) for row in rows] == [(-1, 1.0), (0, 0.0), (1, 1.0)]
    assert [row.predicted for row in rows] == [fires, False, fires]


def test_balanced_accuracy_by_hand() -> None:
    predicted = [True, True, False, False, True]
    active = [True, False, False, False, True]
    assert balanced_accuracy(predicted, active) == pytest.approx((1.0 + 2 / 3) / 2)
    assert balanced_accuracy([True], [True]) is None


def _item(name: str, prompt: str) -> ItemRow:
    return ItemRow("items", name, name, "k", "yes", "held_out", None, None, prompt)


def test_a_label_that_is_right_is_supported_and_one_that_is_not_is_not() -> None:
    items = [_item(f"i{n}", "a test" if n % 2 else "a walk") for n in range(40)]
    fires = [[5.0, 0.0, 5.0] if n % 2 else [0.0, 0.0, 0.0] for n in range(40)]
    right = label_score(
        AXIS, "d", 3, label_check_rows("axis", 3, ["test"], items, fires, examples=10)
    )
    wrong = label_score(
        AXIS, "d", 3, label_check_rows("axis", 3, ["a"], items, fires, examples=10)
    )
    assert isinstance(right, LabelScore)
    assert isinstance(wrong, LabelScore)
    assert (right.detection, right.fuzzing, right.supported) == (1.0, 1.0, True)
    assert (right.active, right.silent) == (20, 20)
    assert right.null_detection < 1.0
    assert (wrong.detection, wrong.supported) == (0.5, False)


def test_a_feature_that_always_fires_has_no_score_but_a_reason() -> None:
    rows = [LabelCheckRow("axis", 3, f"i{n}", -1, 1.0, True) for n in range(4)]
    score = label_score(AXIS, "d", 3, rows)
    assert isinstance(score, Unavailable)
    assert "fires on all" in score.reason


PLAN = plan_of(plan_data())
AXIS_ID, DATASET = AXIS.id, AXIS.selection.contrast.dataset
ITEMS = Items([ItemRow(DATASET, "i", "c", "k", None, "held_out", None, None, "a test")])


@pytest.mark.parametrize(
    ("row", "predicted"),
    [
        ((AXIS_ID, 7, "i", -1), True),
        ((AXIS_ID, 7, "i", 0), False),
        ((AXIS_ID, 7, "i", 1), True),
        ((AXIS_ID, 8, "i", -1), False),
        ((AXIS_ID, 7, "i", 2), None),
        ((AXIS_ID, 7, "j", -1), None),
        (("other", 7, "i", -1), None),
    ],
)
@pytest.mark.parametrize("stated", [True, False])
def test_predictions_are_made_again_where_label_and_prompt_are_known(
    row: tuple[str, int, str, int], predicted: bool | None, stated: bool
) -> None:
    """Feature 8 has no published words: its label predicts nothing."""
    labels = vocabularies(PLAN, [LabelWordRow(AXIS_ID, 7, "test", 2, 3.0)])
    (again,) = repredict(PLAN, ITEMS, labels, [LabelCheckRow(*row, 1.0, stated)])
    assert again.predicted is (stated if predicted is None else predicted)


def test_a_vocabulary_is_as_large_as_the_plan_says() -> None:
    size = AXIS.labels.words
    rows = [LabelWordRow(AXIS_ID, 7, f"w{n:03d}", 2, 1.0) for n in range(size + 1)]
    rows.append(LabelWordRow("other", 7, "w", 2, 9.0))
    assert vocabularies(PLAN, rows) == {(AXIS_ID, 7): {f"w{n:03d}" for n in range(size)}}
