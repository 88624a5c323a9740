"""Lettered questions are compared by the log-probability of one letter, in both orders."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from safetycase.errors import RunFailed
from safetycase.methods.sites import Place
from safetycase.run.choose import choose, question_of, rendered
from safetycase.run.edit import BASELINE_EDIT, ArmEdit
from safetycase.run.prompts import encode
from safetycase.tables.rows import ItemRow
from tests.unit.run.tiny_world import Tiny


def item(target: str | None = "yes", other: str | None = "no") -> ItemRow:
    prompt = "is the drill near ?"
    return ItemRow("d", "i", "c", "choice", None, "held_out", target, other, prompt)


def test_log_probabilities_are_those_of_a_plain_pass(tiny: Tiny) -> None:
    question = question_of(tiny.model, item(), where="test")
    long = question_of(tiny.model, item("yes yes yes", "sorry no no"), where="test")
    vector = np.full(32, 0.5, dtype=np.float32)
    arms = [BASELINE_EDIT, ArmEdit("dose", Place(1, "resid_post"), vector, None)]
    verdicts = choose(tiny.model, [question, long], arms, {})
    a, b = (tiny.model.tokenizer.convert_tokens_to_ids(letter) for letter in "AB")
    for asked, given in zip(
        (item(), item("yes yes yes", "sorry no no")), verdicts, strict=True
    ):
        forward = plain(tiny, rendered(asked.prompt, asked.target, asked.other))
        swapped = plain(tiny, rendered(asked.prompt, asked.other, asked.target))
        baseline = given[0]
        assert baseline.forward_matching == pytest.approx(forward[a], rel=1e-4)
        assert baseline.forward_other == pytest.approx(forward[b], rel=1e-4)
        assert baseline.swapped_matching == pytest.approx(swapped[b], rel=1e-4)
        assert baseline.swapped_other == pytest.approx(swapped[a], rel=1e-4)
        assert given[1].forward_matching != pytest.approx(forward[a], rel=1e-4)


def plain(tiny: Tiny, text: str) -> list[float]:
    prompt = encode(tiny.model, text, where="test")
    logits = tiny.model.network(input_ids=torch.tensor([prompt.ids])).logits[0, -1]
    return torch.log_softmax(logits, -1).tolist()


def test_edits_are_counted_over_both_orders(tiny: Tiny) -> None:
    question = question_of(tiny.model, item(), where="test")
    arm = ArmEdit("dose", Place(0, "resid_post"), np.full(32, 2.0, dtype=np.float32), None)
    [[_, dosed]] = choose(tiny.model, [question], [BASELINE_EDIT, arm], {})
    assert dosed.realised.edits == len(question.forward) + len(question.swapped) - 2
    assert dosed.realised.delta == pytest.approx(2.0 * 32**0.5, rel=1e-5)


@pytest.mark.parametrize(("target", "other"), [(None, "no"), ("yes", None)])
def test_an_item_without_two_answers_is_refused(
    tiny: Tiny, target: str | None, other: str | None
) -> None:
    with pytest.raises(RunFailed):
        question_of(tiny.model, item(target, other), where="test")


def test_a_tokenizer_without_letters_is_refused(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("safetycase.run.choose._LETTERS", ("A", "Z"))
    with pytest.raises(RunFailed) as refused:
        question_of(tiny.model, item(), where="test")
    assert "letter Z" in refused.value.expected
