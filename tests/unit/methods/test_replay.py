"""Which rows are drawn, when two rows agree, and what is said of a sample."""

from __future__ import annotations

import hashlib
import struct
from collections import Counter
from typing import Any

import msgspec
import pytest

from safetycase.errors import MalformedInput, MethodRefused, SchemaViolation
from safetycase.methods import replay as drawn
from safetycase.methods.replay import Published, compared, draw, row_of, rows_behind
from safetycase.methods.replay_result import (
    chosen_rows,
    in_words,
    recounted,
    redrawn,
    shown_by,
)
from safetycase.methods.replay_review import read_replay
from safetycase.record.replay import Replay, RowPlace, Sample
from tests.kit.builder import honest_case
from tests.kit.toy_replay import NONCE, predicate, published

WATCHED, KNOWLEDGE = 0, 1


@pytest.fixture(scope="module")
def here() -> Published:
    return published(honest_case())[1]


@pytest.fixture(scope="module")
def replay() -> Replay:
    return read_replay(predicate(honest_case())[1], "replay")


def place_of(here: Published, table: str, **columns: Any) -> RowPlace:
    for line, row in enumerate(here.tables[table], start=2):  # type: ignore[index]
        if all(getattr(row, name) == value for name, value in columns.items()):
            return RowPlace(table=table, line=line)  # type: ignore[arg-type]
    raise AssertionError(columns)


def test_every_answer_row_of_every_table_can_be_drawn(here: Published) -> None:
    total = sum(len(rows) for rows in here.tables.values())
    size, places = draw(here, None, NONCE, total)
    assert size == total == len(set(places))
    assert Counter(place.table for place in places) == {
        table: len(rows) for table, rows in here.tables.items() if rows
    }
    assert {here.row(place).arm for place in places} >= {
        "baseline",
        "watched/sham",
        "watched/reconstruction",
        "watched/dose/00",
        "knowledge/random_direction/07",
    }


def test_a_draw_is_fixed_by_nonce_case_number_and_population(here: Published) -> None:
    axis = here.plan.axes[WATCHED]
    first = draw(here, None, NONCE, 59)
    assert first == draw(here, None, NONCE, 59)
    other = Published("0" * 64, here.plan, here.evidence, here.tables)
    draws = [
        first,
        draw(here, None, NONCE + "x", 59),
        draw(other, None, NONCE, 59),
        draw(here, None, NONCE, 60),
        draw(here, axis, NONCE, 59),
    ]
    assert len({places for _, places in draws}) == len(draws)


def test_asking_for_one_row_fewer_draws_others_and_not_the_same_but_one(
    here: Published,
) -> None:
    """Else the last row could be left out after it was seen to differ."""
    most, fewer = (set(draw(here, None, NONCE, asked)[1]) for asked in (59, 58))
    assert len(most & fewer) < 10


def test_a_draw_is_what_the_written_rule_says(here: Published) -> None:
    """The rule of the module's docstring, read anew: another program must find these rows."""
    case_id, nonce, asked = "ab" * 32, "0123456789abcdef", 4

    def framed(text: str) -> bytes:
        return struct.pack(">Q", len(text)) + text.encode()

    fields = framed(case_id) + framed("replay") + framed(nonce)
    seed = hashlib.sha256(b"safetycase.seed.v1\0" + fields).hexdigest()
    stream = framed(seed) + framed(f"case/{asked}")
    key = hashlib.sha256(b"safetycase.stream.v1\0" + stream).digest()
    blocks = (hashlib.sha256(key + struct.pack(">Q", n)).digest() for n in range(9))
    words = (word for block in blocks for word in struct.unpack(">4Q", block))
    places = [(t, n + 2) for t, rows in here.tables.items() for n in range(len(rows))]
    for place in range(asked):
        left = len(places) - place
        word = next(word for word in words if word < 2**64 - 2**64 % left)
        other = place + word % left
        places[place], places[other] = places[other], places[place]

    assert list(here.tables) == ["generations", "choices", "probes", "likelihoods"]
    fixed = Published(case_id, here.plan, here.evidence, here.tables)
    _, found = draw(fixed, None, nonce, asked)
    assert [(each.table, each.line) for each in found] == places[:asked]


def test_rows_behind_a_claim_are_baseline_and_target_on_its_rate_and_its_checks(
    here: Published,
) -> None:
    for number, evaluations in ((WATCHED, {"ask"}), (KNOWLEDGE, {"quiz", "awareness"})):
        axis = here.plan.axes[number]
        rows = [here.row(place) for place in rows_behind(here, axis)]
        assert {row.evaluation for row in rows} == evaluations
        assert {row.arm for row in rows} == {"baseline", f"{axis.id}/target"}
        held_out = {
            evaluation.id: len(here.evidence.items.of(evaluation.dataset, "held_out"))
            for evaluation in here.plan.evaluations
        }
        assert len(rows) == 2 * sum(held_out[name] for name in evaluations)


def test_a_small_population_is_measured_whole(here: Published) -> None:
    axis = here.plan.axes[WATCHED]
    size, places = draw(here, axis, NONCE, 1000)
    assert size == len(places) == len(set(places)) == len(rows_behind(here, axis))


def test_every_row_has_the_same_chance(here: Published) -> None:
    axis = here.plan.axes[WATCHED]
    behind = rows_behind(here, axis)
    seen = Counter(
        place for n in range(300) for place in draw(here, axis, f"{NONCE}/{n}", 30)[1]
    )
    expected = 300 * 30 / len(behind)
    assert set(seen) == set(behind)
    assert all(0.6 * expected < count < 1.4 * expected for count in seen.values())


def test_a_forger_of_one_row_in_twenty_is_found_nineteen_times_in_twenty(
    here: Published,
) -> None:
    """0.95^59 = 0.0485; 400 nonces find the rate to within 0.035 (more than three sigma)."""
    total = sum(len(rows) for rows in here.tables.values())
    forged = set(draw(here, None, "rows-that-were-invented", total // 20)[1])
    found = sum(
        bool(forged.intersection(draw(here, None, f"{NONCE}/{n}", 59)[1])) for n in range(400)
    )
    assert abs(found / 400 - (1 - 0.95**59)) < 0.035


def test_a_line_that_is_not_there_is_refused(here: Published) -> None:
    with pytest.raises(MethodRefused):
        here.row(RowPlace(table="generations", line=len(here.tables["generations"]) + 2))


GENERATED = {"evaluation": "ask", "arm": "watched/target"}


@pytest.mark.parametrize(
    ("table", "columns", "changes", "differs", "first_word"),
    [
        ("generations", GENERATED, {}, (), None),
        ("generations", GENERATED, {"nll": 0.0009}, (), None),
        ("generations", GENERATED, {"nll": 0.0011}, ("nll",), None),
        ("generations", GENERATED, {"edits": 1}, ("edits",), None),
        ("generations", GENERATED, {"tokens": 1}, ("tokens",), None),
        ("generations", GENERATED, {"stop": "length"}, ("stop",), None),
        ("generations", GENERATED, {"output": "here is tea"}, ("output",), 2),
        ("generations", GENERATED, {"output": ""}, ("output", "outcome"), 0),
        ("choices", {"arm": "knowledge/target"}, {"forward_other": -0.0009}, (), None),
        (
            "choices",
            {"arm": "knowledge/target"},
            {"forward_other": -0.0011},
            ("forward_other",),
            None,
        ),
        ("probes", {"arm": "knowledge/target"}, {"score": 0.005}, (), None),
        ("probes", {"arm": "knowledge/target"}, {"score": 0.05}, ("score",), None),
        ("probes", {"arm": "knowledge/target"}, {"score": 50.0}, ("score", "outcome"), None),
        ("probes", {"arm": "baseline"}, {"delta": 1e-6}, ("delta",), None),
        ("probes", {"arm": "baseline"}, {"delta": 1e308}, ("delta",), None),
    ],
)
def test_when_rows_agree(
    here: Published,
    table: str,
    columns: dict[str, Any],
    changes: dict[str, Any],
    differs: tuple[str, ...],
    first_word: int | None,
) -> None:
    """Numbers are added to the published value; texts and stops replace it."""
    place = place_of(here, table, **columns)
    row = here.row(place)
    changed = {
        name: value if isinstance(value, str) else getattr(row, name) + value
        for name, value in changes.items()
    }
    result = compared(here, place, msgspec.structs.replace(row, **changed))
    assert result.differs == differs
    assert result.first_word == first_word


def test_a_norm_may_differ_by_a_thousandth_of_itself(here: Published) -> None:
    place = place_of(here, "probes", arm="knowledge/target")
    row = here.row(place)
    near, far = (
        compared(here, place, msgspec.structs.replace(row, residual=row.residual * factor))
        for factor in (1.0009, 1.0011)
    )
    assert (near.differs, far.differs) == ((), ("residual",))
    assert near.largest == pytest.approx(0.9, rel=1e-6)
    assert far.largest == pytest.approx(1.1, rel=1e-6)


def test_what_a_row_says_of_itself_is_not_believed(here: Published) -> None:
    place = place_of(here, "generations", **GENERATED)
    row = here.row(place)
    claimed = msgspec.structs.replace(row, arm="baseline", item="r999", outcome="safe")
    result = compared(here, place, claimed)
    assert result.differs == ()
    assert result.again == tuple(msgspec.to_builtins(row))


def test_bfloat16_has_a_wider_tolerance_and_nothing_else_has_one(here: Published) -> None:
    coarse = here.plan.model_copy(
        update={"model": here.plan.model.model_copy(update={"dtype": "bfloat16"})}
    )
    place = place_of(here, "choices", arm="knowledge/target")
    row = here.row(place)
    moved = msgspec.structs.replace(row, forward_other=row.forward_other - 0.2)  # type: ignore[union-attr]
    rough = Published(here.case_id, coarse, here.evidence, here.tables)
    assert compared(here, place, moved).differs == ("forward_other",)
    assert compared(rough, place, moved).differs == ()
    unknown = here.plan.model_copy(
        update={"model": here.plan.model.model_copy(update={"dtype": "float8"})}
    )
    with pytest.raises(MethodRefused):
        drawn.tolerance_of(unknown)


@pytest.mark.parametrize(
    "values",
    [
        [],
        ["ask", "a", "i", 0, "out", 3, "eos", 1, 2, 0, 9],
        ["ask", "a", "i", 0, "out", "3", "eos", 1, 2, 0, 9, "safe"],
        ["ask", "a", "i", 0, "out", 3, "eos", -1, 2, 0, 9, "safe"],
    ],
)
def test_values_that_are_no_row_are_refused(values: list[Any]) -> None:
    with pytest.raises(SchemaViolation):
        row_of("generations", values, where="x")


def sample(differing: int, drawn_rows: int, population: int) -> Sample:
    return Sample(
        axis=None,
        population=population,
        chosen=tuple(RowPlace(table="choices", line=n + 2) for n in range(drawn_rows)),
        differing=differing,
        at_most=0,
    )


@pytest.mark.parametrize(
    ("differing", "drawn_rows", "population", "shown"),
    [
        (0, 59, 100_000, "enough"),
        (0, 58, 100_000, "too few"),
        (1, 59, 100_000, "too few"),
        (1, 93, 100_000, "enough"),
        (6, 59, 100_000, "too few"),
        (7, 59, 100_000, "contradicted"),
        (1, 1, 1, "contradicted"),
        (0, 10, 10, "enough"),
        (1, 20, 20, "enough"),
        (2, 20, 20, "contradicted"),
    ],
)
def test_what_a_sample_shows(
    differing: int, drawn_rows: int, population: int, shown: str
) -> None:
    assert shown_by(sample(differing, drawn_rows, population)) == shown


def test_bounds_are_spelled_against_whoever_gains_by_them() -> None:
    """4.951 % is told as 5.0 %, and a lower bound of 5.705 % as 5.7 %."""
    whole = sample(7, 59, 100_000).model_copy(update={"at_most": 21_000 + 1})
    assert in_words(whole) == (
        "of 59 drawn from all 100,000 rows of the case, 7 differ: at least 5.7 % and at most "
        "21.1 % of them do"
    )
    agreed = sample(0, 59, 100_000).model_copy(update={"at_most": 4_951})
    assert in_words(agreed).endswith("none differs: at most 5.0 % of them do")
    census = sample(1, 20, 20).model_copy(update={"axis": "watched"})
    assert in_words(census) == "of the 20 rows behind this claim, all measured again, 1 differs"


def test_a_statement_says_of_itself_what_is_derived_again(
    here: Published, replay: Replay
) -> None:
    assert recounted(here, replay, "x") == replay
    again = redrawn(here, replay.weights.tensor_root, replay)
    assert [s.chosen for s in again.samples] == [s.chosen for s in replay.samples]
    assert again.weights == replay.weights
    draws = chosen_rows(here, NONCE, 59)
    assert [axis for axis, _, _ in draws] == [None, "watched", "knowledge"]
    assert len(replay.measured) == len({place for _, _, rows in draws for place in rows})


@pytest.mark.parametrize("change", ["dropped", "repeated", "added", "swapped"])
def test_the_list_holds_the_drawn_rows_and_no_others(
    here: Published, replay: Replay, change: str
) -> None:
    rows = replay.measured
    extra = rows[0].model_copy(update={"line": max(row.line for row in rows) + 1})
    other = {
        "dropped": rows[1:],
        "repeated": (rows[0], *rows),
        "added": (*rows, extra),
        "swapped": (rows[1], rows[0], *rows[2:]),
    }[change]
    with pytest.raises(MalformedInput):
        recounted(here, replay.model_copy(update={"measured": other}), "x")


def test_a_predicate_of_other_fields_is_refused(replay: Replay) -> None:
    stated = replay.spelled()
    with pytest.raises(SchemaViolation) as refused:
        read_replay(stated | {"rows": 0}, "x")
    assert refused.value.where == "x#/rows"
    with pytest.raises(SchemaViolation):
        read_replay(stated | {"verdict": "good"}, "x")
