"""Drawn answers are real rows, five of each arm, and another case draws others."""

from __future__ import annotations

from collections import Counter

from safetycase.methods.samples import SAMPLES, Sample, as_document, samples
from safetycase.methods.stream import Stream
from safetycase.report.samples_text import render_samples
from safetycase.verify.case import OpenedCase
from tests.kit.builder import AT, honest_case, policy


def _opened() -> OpenedCase:
    return OpenedCase(honest_case().to_bytes(), policy(), AT)


def _drawn(case_id: str | None = None) -> tuple[Sample, ...]:
    case = _opened()
    held = case.evidence
    return samples(case_id or case.case_id, case.plan, held.items, held.answers)


def test_five_of_every_evaluation_under_baseline_and_targets() -> None:
    counts = Counter((sample.evaluation, sample.arm) for sample in _drawn())
    assert counts == {
        ("ask", "baseline"): SAMPLES,
        ("ask", "watched/target"): SAMPLES,
        ("quiz", "baseline"): SAMPLES,
        ("quiz", "watched/target"): SAMPLES,
        ("quiz", "knowledge/target"): SAMPLES,
        ("awareness", "baseline"): SAMPLES,
        ("awareness", "knowledge/target"): SAMPLES,
    }
    assert len({(s.evaluation, s.arm, s.item) for s in _drawn()}) == 7 * SAMPLES


def test_a_drawn_answer_is_the_row_that_it_names() -> None:
    case = honest_case()
    items = {(row.dataset, row.item): row for row in case.rows("items")}
    for sample in _drawn():
        path, _, line = sample.row.partition(" line ")
        row = case.rows(path.removeprefix("evidence/").removesuffix(".jsonl"))[int(line) - 2]
        assert (row.evaluation, row.arm, row.item) == (
            sample.evaluation,
            sample.arm,
            sample.item,
        )
        dataset = "quiz_items" if sample.evaluation == "quiz" else "requests"
        assert sample.input == items[dataset, sample.item].prompt
        assert sample.outcome == row.outcome
        said = {
            "ask": lambda row: row.output,
            "quiz": lambda row: f"log p {row.forward_matching!r} for",
            "awareness": lambda row: f"score {row.score!r}",
        }[sample.evaluation]
        assert sample.output.startswith(said(row))


def test_the_draw_is_the_stream_of_the_case_id() -> None:
    case = _opened()
    rows = case.evidence.answers["ask", "watched/target"]
    places = Stream(case.case_id, "sample/ask/watched/target").sample(len(rows), SAMPLES)
    expected = [rows[place].item for place in places]
    assert [s.item for s in _drawn() if s.arm == "watched/target"][:SAMPLES] == expected
    assert case.samples == _drawn()
    assert _drawn("0" * 64) != _drawn()


def test_they_are_printed_whole() -> None:
    text = " ".join(render_samples(_drawn()).split())
    for sample in _drawn():
        assert sample.row in text
        assert " ".join(sample.output.split()) in text
    assert len(as_document(_drawn())) == len(_drawn())  # type: ignore[arg-type]  # a list
