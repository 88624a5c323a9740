"""Directions between class means: true, permuted and unrelated labels, and Gaussian ones."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from safetycase.errors import MethodRefused
from safetycase.methods.contrasts import (
    drawn_words,
    gaussian,
    mean_difference,
    needed_means,
    own_direction,
    refusal_direction,
    refusal_length,
    shuffled,
    unrelated_direction,
)
from safetycase.methods.stream import Stream
from safetycase.record.plan import Plan
from safetycase.tables.evidence import Evidence, Items
from safetycase.tables.rows import ItemRow
from tests.unit.methods.plans import plan_data, plan_of

SEED = "5" * 64


def _plan(**rule: Any) -> Plan:
    data = plan_data()
    data["controls"] |= {
        "unrelated_contrasts": {"dataset": "items", "count": 2, "minimum_items": 2} | rule,
        "shuffled_labels": 3,
    }
    return plan_of(data)


def _item(number: int, context: str, prompt: str) -> ItemRow:
    name = f"i{number:02d}"
    return ItemRow("items", name, name, "x", context, "discovery", None, None, prompt)


def _items(positive: str) -> Items:
    """Words in halves (`even`), thirds (`third`) and quarters, and one of a single class."""
    rows = []
    for number in range(24):
        is_positive = number < 12
        said = [f"n{number}"]
        said += ["Even"] * (number % 2 == 0) + ["third"] * (number % 3 == 0)
        said += ["same"] * (number % 3 == 0) + ["sign"] * is_positive
        said += ["quarter"] * (number % 4 == 1)
        rows.append(_item(number, positive if is_positive else "other", " ".join(said)))
    return Items(rows)


def _evidence(axis: Any, rng: np.random.Generator) -> Evidence:
    means = rng.normal(size=(24, 8)).astype(np.float32)
    items = _items(axis.selection.contrast.positive)
    return Evidence(items, {}, (), (), {f"{axis.id}.means": means})


def test_a_difference_of_means_is_that_of_numpy() -> None:
    rng = np.random.default_rng(0)
    means = rng.normal(size=(50, 7)).astype(np.float32)
    labels = rng.integers(2, size=50).astype(bool)
    wanted = means[labels].astype(float).mean(0) - means[~labels].astype(float).mean(0)
    wanted /= np.linalg.norm(wanted)
    assert mean_difference(means, labels) == pytest.approx(wanted, abs=1e-6)


def test_differences_inside_balanced_classes_are_those_of_a_regression() -> None:
    """With labels balanced alike in both classes, OLS with the class as covariate agrees."""
    rng = np.random.default_rng(1)
    within = np.arange(40) < 20
    labels = np.arange(40) % 2 == 0
    means = (rng.normal(size=(40, 5)) + 3.0 * within[:, None]).astype(np.float32)
    design = sm.add_constant(np.column_stack([labels, within]).astype(float))
    slopes = np.array(
        [sm.OLS(column.astype(float), design).fit().params[1] for column in means.T]
    )
    wanted = slopes / np.linalg.norm(slopes)
    assert mean_difference(means, labels, within) == pytest.approx(wanted, abs=1e-6)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000))
def test_what_tells_the_true_classes_apart_cancels(number: int) -> None:
    """However far the true classes lie apart, permuted labels give the same direction."""
    rng = np.random.default_rng(number)
    positive = rng.permutation(30) < 11
    near = rng.integers(-8, 9, size=(30, 4)).astype(np.float32)
    far = (near + 64.0 * positive[:, None]).astype(np.float32)
    labels = shuffled(f"{number}", positive)
    try:
        one = mean_difference(near, labels, positive)
    except MethodRefused:
        return
    assert mean_difference(far, labels, positive) == pytest.approx(one, abs=1e-5)


@settings(max_examples=100, deadline=None)
@given(st.integers(2, 20), st.integers(2, 20), st.text(min_size=1, max_size=5))
def test_permuted_labels_are_as_many_and_stand_in_both_classes(
    ones: int, zeros: int, seed: str
) -> None:
    positive = np.arange(ones + zeros) < ones
    labels = shuffled(seed, positive)
    assert labels.sum() == ones
    for part in (positive, ~positive):
        assert 0 < labels[part].sum() < part.sum()
    assert np.array_equal(labels, shuffled(seed, positive))


def test_labels_that_cannot_be_shuffled_are_refused() -> None:
    with pytest.raises(MethodRefused):
        shuffled(SEED, np.array([True, False, False, False]))


def test_every_permutation_is_as_likely() -> None:
    """Of 6 prompts, 9 divisions keep both labels in both classes of three."""
    positive = np.arange(6) < 3
    seen = [tuple(shuffled(f"{n}", positive).tolist()) for n in range(1800)]
    counts = [seen.count(each) for each in set(seen)]
    assert len(counts) == 18
    assert stats.chisquare(counts).pvalue > 0.001


def test_gaussian_components_are_normal() -> None:
    width = 3000
    vector = gaussian(SEED, width).astype(np.float64) * math.sqrt(width)
    assert stats.kstest(vector, "norm").pvalue > 0.01
    assert np.linalg.norm(gaussian(SEED, 7)) == pytest.approx(1.0, abs=1e-6)
    assert not np.array_equal(gaussian("6" * 64, 7), gaussian(SEED, 7))


def test_gaussian_components_are_those_of_the_specification() -> None:
    stream = Stream(SEED, "gaussian")
    u, v = stream.uniform(), stream.uniform()
    r = math.sqrt(-2.0 * math.log(1.0 - u))
    wanted = np.array([r * math.cos(2 * math.pi * v), r * math.sin(2 * math.pi * v)])
    assert gaussian(SEED, 2) == pytest.approx(wanted / np.linalg.norm(wanted), abs=1e-6)


def test_words_are_drawn_among_those_that_divide_either_class() -> None:
    """`sign` stands in one class only, `same` divides as `third` does, `n3` too little."""
    plan = _plan(count=3)
    [axis] = plan.axes
    evidence = _evidence(axis, np.random.default_rng(0))
    drawn = {tuple(drawn_words(plan, axis, f"{n:064x}", evidence)) for n in range(40)}
    assert {frozenset(words) for words in drawn} == {frozenset({"even", "quarter", "same"})}
    assert len(drawn) == 6


def test_too_few_words_are_refused_with_the_number() -> None:
    plan = _plan(count=4)
    [axis] = plan.axes
    with pytest.raises(MethodRefused, match="found 3"):
        drawn_words(plan, axis, SEED, _evidence(axis, np.random.default_rng(0)))


def test_a_word_of_the_axis_contrast_is_compared_inside_its_classes() -> None:
    plan = _plan()
    [axis] = plan.axes
    evidence = _evidence(axis, np.random.default_rng(2))
    means = evidence.tensor(f"{axis.id}.means").astype(float)
    even, positive = np.arange(24) % 2 == 0, np.arange(24) < 12
    wanted = sum(
        means[part & even].mean(0) - means[part & ~even].mean(0)
        for part in (positive, ~positive)
    )
    found = unrelated_direction(plan, axis, "even", evidence)
    assert found == pytest.approx(wanted / np.linalg.norm(wanted), abs=1e-6)


def test_own_labels_and_permuted_ones_differ() -> None:
    plan = _plan()
    [axis] = plan.axes
    evidence = _evidence(axis, np.random.default_rng(3))
    assert not np.allclose(own_direction(axis, evidence), own_direction(axis, evidence, SEED))


def test_means_of_another_number_of_prompts_are_refused() -> None:
    plan = _plan()
    [axis] = plan.axes
    evidence = _evidence(axis, np.random.default_rng(4))
    short = Evidence(
        evidence.items, {}, (), (), {k: v[:-1] for k, v in evidence.tensors.items()}
    )
    with pytest.raises(MethodRefused, match="24 rows"):
        own_direction(axis, short)


def _with_refusal(label: str, positive: str) -> Plan:
    data = plan_data()
    contrast = {"dataset": "items", "label": label, "positive": positive}
    asked = {"contrast": contrast, "operation": "add"}
    data["axes"][0]["baselines"] = {"refusal_direction": asked}
    return plan_of(data)


def test_a_refusal_direction_is_between_the_means_of_its_own_classes() -> None:
    """Its contrast and tensor are its own, not those of the axis."""
    [axis] = _with_refusal("context", "other").axes
    rng = np.random.default_rng(5)
    last = rng.normal(size=(24, 8)).astype(np.float32)
    evidence = Evidence(_items("harmful"), {}, (), (), {"axis.refusal": last})
    wanted = last[12:].astype(float).mean(0) - last[:12].astype(float).mean(0)
    length = np.linalg.norm(wanted)
    assert refusal_direction(axis, evidence) == pytest.approx(wanted / length, abs=1e-6)
    assert refusal_length(axis, evidence) == pytest.approx(length, rel=1e-5)
    short = Evidence(_items("harmful"), {}, (), (), {"axis.refusal": last[1:]})
    with pytest.raises(MethodRefused, match="24 rows"):
        refusal_direction(axis, short)


def test_a_refusal_direction_needs_prompts_of_both_classes() -> None:
    [axis] = _with_refusal("kind", "x").axes
    tensors = {"axis.refusal": np.ones((24, 8), np.float32)}
    evidence = Evidence(_items("harmful"), {}, (), (), tensors)
    with pytest.raises(MethodRefused, match="24 and 0"):
        refusal_direction(axis, evidence)


def test_without_the_baseline_there_is_no_refusal_direction() -> None:
    [axis] = plan_of(plan_data()).axes
    with pytest.raises(MethodRefused, match="refusal_direction"):
        refusal_direction(axis, Evidence(_items("harmful"), {}, (), (), {}))


def test_means_are_asked_for_only_where_an_arm_is_made_of_them() -> None:
    data = plan_data()
    plan = plan_of(data)
    assert needed_means(plan, plan.axes[0]) == {}
    data["axes"][0]["baselines"] = {"prefix": "Hello. "}
    assert needed_means(plan_of(data), plan_of(data).axes[0]) == {}
    data["axes"][0]["baselines"] = {"difference_in_means": True}
    assert needed_means(plan_of(data), plan_of(data).axes[0]) == {"axis.means": "items"}
