"""A redacted table says what it withholds; whoever asks for a withheld cell is refused."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from safetycase.errors import SchemaViolation, Withheld
from safetycase.tables.codec import header, read_table, scan_table
from safetycase.tables.columns import Answers
from safetycase.tables.disclosure import (
    ALWAYS_PUBLIC,
    FOLLOWS,
    KEYED,
    Held,
    class_of,
    classes_in,
    header_names,
    withheld_with,
)
from safetycase.tables.escrow import close_table
from safetycase.tables.rows import ANSWER_KINDS, TABLES, ItemRow, ProbeRow, columns

KEY = bytes(32)
ITEM = ItemRow("requests", "r1", "c1", "harmful", None, "held_out", "x", None, "How?")
PROBES = [ProbeRow("e", "baseline", f"r{n}", 0.5, 0, 0.0, 1.0, "below") for n in range(3)]
CLASSES = {"item": "keyed", "score": "withheld"}
CLOSED = close_table("probes", PROBES, CLASSES, dict.fromkeys(CLASSES, KEY))


def test_the_first_line_names_what_is_withheld() -> None:
    names = header_names("probes", CLASSES)
    assert names[2:4] == ["item:keyed", "score:withheld"]
    assert classes_in("probes", names) == CLASSES
    assert CLOSED.split(b"\n")[0] == header("probes", CLASSES)


@pytest.mark.parametrize(
    "names",
    [
        None,
        {},
        ["evaluation"],
        [1],
        header_names("probes", {"score": "hidden"}),
        header_names("probes", {"score": "keyed"}),
        header_names("probes", {"item": "withheld"}),
        header_names("probes", {"outcome": "withheld"}),
        [*header_names("probes", CLASSES), "more:withheld"],
        header_names("items", {}),
    ],
)
def test_a_first_line_of_no_table_is_none(names: object) -> None:
    assert classes_in("probes", names) is None


def test_withheld_columns_of_answers_refuse_and_the_others_answer() -> None:
    table = scan_table("probes", [CLOSED], size=len(CLOSED))
    answers = table.rows
    assert isinstance(answers, Answers)
    assert table.classes == CLASSES
    assert table.misspelled is None
    assert list(answers.outcome) == ["below"] * 3
    assert len(set(answers.item)) == 3
    for ask in (
        lambda: answers.numbers("score"),
        lambda: answers.take(slice(0, 1)).numbers("score"),
        lambda: answers[0],
        lambda: list(answers),
        lambda: answers.codes("score"),
    ):
        with pytest.raises(Withheld, match=r"evidence/probes.jsonl: score"):
            ask()


def test_withheld_cells_of_rows_refuse_and_the_others_answer() -> None:
    classes = {"prompt": "withheld"}
    (row,) = read_table("items", close_table("items", [ITEM], classes, {"prompt": KEY}))
    assert getattr(row, "item") == "r1"  # noqa: B009 — its class is made as the table is read
    moved: Any = msgspec.structs.replace(row, split="tuning")
    assert moved.split == "tuning"
    with pytest.raises(Withheld, match=r"evidence/items.jsonl: prompt"):
        moved.prompt  # noqa: B018
    with pytest.raises(AttributeError):
        moved.nothing  # noqa: B018


@pytest.mark.parametrize("cell", ['"0"', '"' + "G" * 64 + '"', "null", "0.5"])
def test_what_is_no_commitment_is_refused(cell: str) -> None:
    line = CLOSED.split(b"\n")[1]
    committed = msgspec.json.decode(line)[3]
    bad = CLOSED.replace(f'"{committed}"'.encode(), cell.encode())
    with pytest.raises(SchemaViolation, match="line 2"):
        read_table("probes", bad)


def test_a_first_line_has_one_spelling() -> None:
    with pytest.raises(SchemaViolation):
        read_table("probes", CLOSED.replace(b'"item:keyed",', b'"item:keyed", '))


def test_what_is_named_is_a_column_or_a_file() -> None:
    known = {f"{kind}.{column}" for kind in TABLES for column in columns(kind)}
    named = set(FOLLOWS) | {name for names in FOLLOWS.values() for name in names}
    assert {name for name in named if not name.startswith("evidence/")} <= known
    assert known >= KEYED


def test_a_withheld_text_takes_with_it_what_tells_of_it() -> None:
    taken = withheld_with(["items.prompt"], ["circuits/one.json", "case.json"])
    assert taken["items.prompt"] == "items.prompt"
    assert taken["generations.output"] == "items.prompt"
    assert taken["generations.nll"] == "generations.output"
    assert taken["circuits/one.json"] == "items.prompt"
    assert "case.json" not in taken
    assert not [name for name in taken if name.endswith((".outcome", ".arm", ".split"))]
    assert withheld_with(["judgements.raw"]) == {"judgements.raw": "judgements.raw"}
    assert class_of("probes.item") == "keyed"
    assert class_of("items.cluster") == "withheld"


def test_no_number_of_an_answer_to_a_withheld_prompt_stays() -> None:
    """Every number of an answer goes, but for that of its sample."""
    taken = withheld_with(["items.prompt"])
    for kind in ANSWER_KINDS:
        hints = TABLES[kind].__annotations__
        numbers = {n for n in columns(kind) if "float" in hints[n] or "int" in hints[n]}
        assert {f"{kind}.{name}" for name in numbers - {"sample"}} <= set(taken)


def test_a_withheld_tensor_refuses_and_an_unknown_one_is_unknown() -> None:
    held = Held({"a": 1}, {"b": "evidence/pooled.safetensors"})
    assert held["a"] == 1
    with pytest.raises(Withheld, match=r"evidence/pooled.safetensors: b"):
        held["b"]
    with pytest.raises(KeyError):
        held["c"]


def test_of_every_column_it_is_decided_whether_it_tells_of_a_prompt() -> None:
    """A new column must be put on one side: with what follows from a text, or here."""
    telling = set(withheld_with(["items.prompt"]))
    coarse = {"items.kind", "items.context", "human_labels.rater", "traces.token"}
    for kind in TABLES:
        for column in columns(kind):
            name = f"{kind}.{column}"
            sides = (name in telling, column in ALWAYS_PUBLIC, name in coarse)
            assert sum(sides) == 1, name
