from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetycase.errors import TooLarge
from safetycase.tables.codec import Limits, header, scan_table, write_table
from safetycase.tables.columns import Answers, Texts, Vocabulary, numbered
from safetycase.tables.evidence import group_answers
from safetycase.tables.rows import AnswerRow, GenerationRow, ProbeRow

ROWS: list[AnswerRow] = [
    ProbeRow("e", arm, f"i{n}", 0.5 * n, n, 1.5, 2.25, "above" if n else "below")
    for arm in ("baseline", "x/target")
    for n in range(3)
]
DATA = write_table("probes", ROWS)


def _cut(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


@pytest.mark.parametrize("size", [1, 7, 60, 10_000])
def test_a_table_is_the_same_however_its_bytes_arrive(size: int) -> None:
    table = scan_table("probes", _cut(DATA, size), size=len(DATA))
    assert isinstance(table.rows, Answers)
    assert list(table.rows) == ROWS
    assert [table.rows[n] for n in range(len(ROWS))] == ROWS
    assert table.misspelled is None
    assert table.rows.lines == range(2, 8)


@pytest.mark.parametrize("expected", [0, 10, 10**6])
def test_a_wrong_guess_of_the_size_changes_nothing(expected: int) -> None:
    table = scan_table("probes", _cut(DATA, 50), size=expected)
    assert list(table.rows) == ROWS


def test_more_texts_than_a_byte_counts_stay_apart() -> None:
    rows = [ProbeRow("e", "a", f"i{n}", 0.0, 0, 0.0, 0.0, "above") for n in range(700)]
    data = write_table("probes", rows)
    table = scan_table("probes", _cut(data, 100), size=len(data))
    assert list(table.rows) == rows


GRID = [f"i{n}" for n in range(200)]
STRETCH = st.tuples(st.integers(0, 199), st.integers(0, 400), st.sampled_from(["i7", "x", "y"]))


@given(st.lists(STRETCH, max_size=4))
def test_texts_are_numbered_as_one_by_one(cut: list[tuple[int, int, str]]) -> None:
    vocabulary, slow = Vocabulary(GRID[:150]), Vocabulary(GRID[:150])
    for start, count, odd in cut:
        repeated = GRID[start:] + GRID * 2
        for texts in (repeated[:count], [odd] * count, [*repeated[:count], odd]):
            assert numbered(vocabulary, texts).tolist() == [slow[text] for text in texts]
    assert vocabulary == slow
    assert vocabulary.texts == slow.texts


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [(b"0.5,1", b"0.50,1", 3), (b"1.5,2.25", b"1.5, 2.25", 2), (b'"i2"', b'"\\u00692"', 4)],
)
def test_the_first_other_spelling_is_named(old: bytes, new: bytes, line: int) -> None:
    data = DATA.replace(old, new, 1)
    for size in (20, 10_000):
        assert scan_table("probes", _cut(data, size), size=len(data)).misspelled == line


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (Limits(max_rows=5), "at most 5 rows"),
        (Limits(max_line=len(header("probes")) // 2), "rows of at most"),
    ],
)
def test_limits_are_refusals(limits: Limits, expected: str) -> None:
    with pytest.raises(TooLarge) as refusal:
        scan_table("probes", _cut(DATA, 10), size=len(DATA), limits=limits)
    assert refusal.value.expected.startswith(expected)


def test_groups_keep_the_order_and_the_lines_of_the_table() -> None:
    groups = group_answers(ROWS)
    assert list(groups) == [("e", "baseline"), ("e", "x/target")]
    assert list(groups["e", "x/target"]) == ROWS[3:]
    assert groups["e", "x/target"].where(1) == (
        "evidence/probes.jsonl line 6: e / x/target / i1"
    )


def test_groups_in_pieces_are_put_together() -> None:
    mixed = [ROWS[3], ROWS[0], ROWS[4], ROWS[1]]
    groups = group_answers(mixed)
    assert list(groups) == [("e", "x/target"), ("e", "baseline")]
    assert list(groups["e", "x/target"]) == [ROWS[3], ROWS[4]]
    assert groups["e", "baseline"].lines.tolist() == [3, 5]  # type: ignore[union-attr]


def test_too_many_groups_are_refused() -> None:
    with pytest.raises(TooLarge):
        group_answers(ROWS, max_groups=1)


def test_texts_of_two_vocabularies_are_compared_by_what_they_say() -> None:
    one, two = Texts.of(["a", "b", "c"]), Texts.of(["c", "b", "d"])
    assert one.same_as(two).tolist() == [False, True, False]
    assert one.among({"a", "c", "z"}).tolist() == [True, False, True]
    assert one.among(("c",)).tolist() == one.among({"c", "z"}).tolist()
    assert not one.among(("z",)).any()
    assert two.codes_in(one.vocabulary).tolist() == [2, 1, -1]
    assert Vocabulary(["x", "y"]).codes(["y", "q"]).tolist() == [1, -1]


def test_the_last_row_of_an_item_and_sample_is_found() -> None:
    def generated(item: str, sample: int) -> GenerationRow:
        return GenerationRow("e", "a", item, sample, "t", 1, "eos", 0.1, 0, 0.0, 0.0, "safe")

    here = Answers.of([generated("i", 0), generated("i", 1), generated("j", 0)])
    there = Answers.of([generated("i", 1), generated("k", 0), generated("j", 0)])
    assert here.places_of(there).tolist() == [1, -1, 2]
    probes = Answers.of(ROWS)
    assert probes.places_of(probes).tolist() == [3, 4, 5, 3, 4, 5]


def test_rows_like_an_earlier_one_name_it() -> None:
    assert Answers.of(ROWS).first_alike("item").tolist() == [0, 1, 2, 0, 1, 2]
