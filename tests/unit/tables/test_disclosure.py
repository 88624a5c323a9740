"""A redacted table says what it withholds; whoever asks for a withheld cell is refused."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from safetycase.errors import SchemaViolation, Withheld
from safetycase.tables.closing import close_table
from safetycase.tables.codec import header, read_table, scan_table
from safetycase.tables.columns import Answers
from safetycase.tables.disclosure import (
    ALWAYS_PUBLIC,
    FOLLOWS,
    KEYED,
    Closed,
    Disclosure,
    Held,
    class_of,
    classes_in,
    header_names,
    may_be_coarse,
    withheld_with,
)
from safetycase.tables.escrow import OpenedColumn
from safetycase.tables.rows import ANSWER_KINDS, TABLES, ItemRow, ProbeRow, columns

KEY = "0" * 64
RULES = Path(__file__).parents[3] / "docs" / "spec" / "rules.md"
ITEM = ItemRow("requests", "r1", "c1", "harmful", None, "held_out", "x", None, "How?")
PROBES = [ProbeRow("e", "baseline", f"r{n}", 0.5, 0, 0.0, 1.0, "below") for n in range(3)]
DISCLOSED: dict[str, Disclosure] = {"item": "keyed", "score": "withheld", "residual": "coarse"}


def _closed(kind: str, rows: Sequence[msgspec.Struct], classes: dict[str, Disclosure]) -> bytes:
    opened = {n: OpenedColumn(kind, n, KEY, [getattr(r, n) for r in rows]) for n in classes}
    return close_table(kind, rows, classes, opened)


CLOSED = _closed("probes", PROBES, DISCLOSED)
ROOTS = [name.rpartition(":")[2] for name in msgspec.json.decode(CLOSED.split(b"\n")[0])]
PLACES = {name: columns("probes").index(name) for name in DISCLOSED}
CLASSES = {name: Closed(one, ROOTS[PLACES[name]]) for name, one in DISCLOSED.items()}


def _names(**disclosed: str) -> list[str]:
    return [
        f"{name}:{disclosed[name]}" if name in disclosed else name for name in columns("probes")
    ]


def test_the_first_line_names_what_is_withheld() -> None:
    names = header_names("probes", CLASSES)
    assert names[2:4] == [f"item:keyed:{ROOTS[2]}", f"score:withheld:{ROOTS[3]}"]
    assert names[6] == f"residual:coarse:{ROOTS[6]}"
    assert len({ROOTS[place] for place in PLACES.values()}) == 3
    assert classes_in("probes", names) == CLASSES
    assert CLOSED.split(b"\n")[0] == header("probes", CLASSES)


@pytest.mark.parametrize(
    "names",
    [
        None,
        {},
        ["evaluation"],
        [1],
        _names(score=f"hidden:{KEY}"),
        _names(score=f"keyed:{KEY}"),
        _names(item=f"withheld:{KEY}"),
        _names(item=f"coarse:{KEY}"),
        _names(outcome=f"withheld:{KEY}"),
        _names(score="withheld"),
        _names(score="withheld:"),
        _names(score=f"withheld:{KEY[1:]}"),
        _names(score=f"withheld:{KEY}0"),
        _names(score=f"withheld:{KEY[1:]}A"),
        _names(score=f"withheld:{KEY}:"),
        _names(score=f":{KEY}"),
        [*header_names("probes", CLASSES), f"more:withheld:{KEY}"],
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
        lambda: answers.residual,
    ):
        with pytest.raises(Withheld, match=r"evidence/probes.jsonl: (score|residual)"):
            ask()


def test_withheld_cells_of_rows_refuse_and_the_others_answer() -> None:
    (row,) = read_table("items", _closed("items", [ITEM], {"prompt": "withheld"}))
    assert getattr(row, "item") == "r1"  # noqa: B009 — its class is made as the table is read
    moved: Any = msgspec.structs.replace(row, split="tuning")
    assert moved.split == "tuning"
    with pytest.raises(Withheld, match=r"evidence/items.jsonl: prompt"):
        moved.prompt  # noqa: B018
    with pytest.raises(AttributeError):
        moved.nothing  # noqa: B018


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("score", 0.5), ("score", ""), ("score", KEY), ("item", "r0"), ("item", KEY[:15]),
        ("item", "G" * 16), ("item", None), ("residual", None), ("residual", "1"),
        ("residual", -1.0),
    ],
)  # fmt: skip
def test_what_may_not_stand_in_a_closed_column_is_refused(column: str, cell: object) -> None:
    first, line, rest = CLOSED.split(b"\n", 2)
    row = msgspec.json.decode(line)
    row[PLACES[column]] = cell
    with pytest.raises(SchemaViolation, match="line 2"):
        read_table("probes", b"\n".join([first, msgspec.json.encode(row), rest]))


def test_numbers_may_be_coarse_and_nothing_else() -> None:
    coarse = {f"{k}.{c}" for k in TABLES for c in columns(k) if may_be_coarse(k, c)}
    assert {"generations.tokens", "generations.nll", "choices.delta", "probes.score"} <= coarse
    assert not {"generations.sample", "label_checks.predicted", "label_words.feature"} & coarse
    assert not [name for name in coarse if name.endswith((".item", ".output", ".prompt"))]
    assert class_of("probes.score", ["probes.score"]) == "coarse"
    assert class_of("probes.item", ["probes.item"]) == "keyed"


def test_a_first_line_has_one_spelling() -> None:
    with pytest.raises(SchemaViolation):
        read_table("probes", CLOSED.replace(b'"item:', b' "item:', 1))


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


def test_the_list_of_the_specification_is_the_one_that_is_kept() -> None:
    text = RULES.read_text(encoding="utf-8").partition("* RED-002")[2]
    rows = re.findall(r"^\| `([^`]+)` \| (.+) \|$", text, re.MULTILINE)
    listed = {name: set(re.findall("`([^`]+)`", rest)) for name, rest in rows}
    items = {f"{kind}.item" for kind in TABLES if "item" in columns(kind)}
    meant = {"*.item": items, "circuits/*": set()}
    assert "circuits/*" in listed["items.prompt"]
    assert {
        name: set().union(*(meant.get(one, {one}) for one in names))
        for name, names in listed.items()
    } == {name: set(names) for name, names in FOLLOWS.items()}


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
