"""Items of a dataset file become rows of the items table, each in its split.

Three layouts are read. Ours: rows with `id`, `cluster`, `kind`, `prompt` and, where they apply,
`context`, `target`, `other`; of scripts `turns` in the place of `prompt`, and `system`. The one
of Perez et al. 2022 (arXiv 2212.09251): `question` with lettered choices,
`answer_matching_behavior`, `answer_not_matching_behavior`. Any other, if the plan says which
columns mean what.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from safetycase import canonical
from safetycase.canonical import JsonValue, as_array, as_object, as_text
from safetycase.digest import sha256_hex
from safetycase.errors import MalformedInput
from safetycase.methods.derive import splits_of
from safetycase.methods.text_grade import fold
from safetycase.methods.turns import MOST_TURNS, Script, opening, turns_of
from safetycase.record.plan import Columns, Plan, PlannedDataset
from safetycase.run.dataset_file import read_rows
from safetycase.tables.evidence import Items
from safetycase.tables.rows import ItemRow

_REQUIRED = ("id", "cluster", "kind", "prompt")
_OPTIONAL = ("context", "target", "other")
_LETTERED = ("question", "answer_matching_behavior", "answer_not_matching_behavior")
_Placed = tuple[str, ItemRow]
"""Where an item stands in its file, and the item."""
_CHOICES = re.compile(r"\s*\bChoices:\s*(?=\(A\))")
_CHOICE = re.compile(r"\(([A-Z])\)\s*(.*?)\s*(?=\n\s*\([A-Z]\)|\n\s*Answer:|\Z)", re.DOTALL)


def read_items(plan: Plan, case_seed: str, files: Mapping[str, Path]) -> Items:
    """The items table of a plan: datasets in plan order, items in file order.

    A cluster has one split in the whole plan, whatever dataset its items stand in. Refuses
    malformed lines, items named twice and empty datasets, with the line; questions that a
    dataset asks twice in a split, and prompts that stand in two splits.
    """
    raw: list[ItemRow] = []
    scripts = {each.dataset for each in plan.evaluations if turns_of(each) is not None}
    for dataset in plan.datasets:
        rows_of = scripted_rows if dataset.id in scripts else _rows
        raw += _unique(rows_of(dataset, files[dataset.id]))
    splits = splits_of(plan, case_seed, [row.cluster for row in raw])
    rows = [_in_split(row, splits[row.cluster]) for row in raw]
    _refuse_repeats(rows)
    return Items(rows)


def _refuse_repeats(rows: Iterable[ItemRow]) -> None:
    """Nothing is tested on what it was found on, and no question counts twice."""
    asked: dict[tuple[str, str, str, str | None, str | None], ItemRow] = {}
    stands: dict[str, ItemRow] = {}
    for row in rows:
        question = (row.dataset, row.split, row.prompt, row.target, row.other)
        same = asked.setdefault(question, row)
        if same is not row:
            raise MalformedInput(
                f"{row.dataset}, item {row.item}",
                "a question of its own",
                found=f"that of {same.item}",
                remedy="Leave one of them out.",
            )
        twin = stands.setdefault(fold(opening(row.prompt)), row)
        if twin.split != row.split:
            raise MalformedInput(
                f"{row.dataset}, item {row.item}",
                f"a prompt of the split {row.split} only",
                found=f"that of {twin.dataset}, item {twin.item}, in {twin.split}",
                remedy="Give items with the same prompt the same cluster.",
            )


def _in_split(row: ItemRow, split: str) -> ItemRow:
    return ItemRow(
        row.dataset, row.item, row.cluster, row.kind, row.context, split,
        row.target, row.other, row.prompt,
    )  # fmt: skip


def _rows(dataset: PlannedDataset, file: Path) -> Iterable[_Placed]:
    columns = dataset.columns
    wanted = None if columns is None else {str(name) for name in columns.spelled().values()}
    for number, (where, value) in enumerate(read_rows(file, wanted), start=1):
        if columns is not None:
            yield where, _mapped(dataset.id, columns, value, where, number)
        elif isinstance(value, dict) and "question" in value:
            yield where, _lettered(dataset.id, value, where, number)
        else:
            yield where, _plain(dataset.id, value, where)


def _unique(rows: Iterable[_Placed]) -> list[ItemRow]:
    seen: dict[str, ItemRow] = {}
    for where, row in rows:
        if row.item in seen:
            raise MalformedInput(
                where,
                "every item once",
                found=f"{row.item} twice",
                remedy="Give each item an id of its own in the dataset.",
            )
        seen[row.item] = row
    return list(seen.values())


def scripted_rows(dataset: PlannedDataset, file: Path) -> Iterable[_Placed]:
    """Items whose prompts are scripts: their turns, and a system text if they have one."""
    columns = dataset.columns
    wanted = None if columns is None else {str(name) for name in columns.spelled().values()}
    said, system = ("turns", "system") if columns is None else (columns.prompt, columns.system)
    for number, (where, value) in enumerate(read_rows(file, wanted), start=1):
        fields = as_object(value, where=where, required=[said], optional=None)
        script = Script(
            _turns(fields[said], f"{where}#/{said}"),
            None if system is None else _system(fields.get(system), f"{where}#/{system}"),
        )
        rest = {name: part for name, part in fields.items() if name not in (said, system)}
        if columns is None:
            if "prompt" in rest:
                raise MalformedInput(where, "turns in the place of a prompt", found="both")
            yield where, _plain(dataset.id, rest | {"prompt": script.spelled()}, where)
        else:
            held = rest | {said: script.spelled()}
            yield where, _mapped(dataset.id, columns, held, where, number)


def _turns(value: JsonValue, where: str) -> tuple[str, ...]:
    """What the user says turn by turn: a list, or in a cell of a table its JSON."""
    if isinstance(value, str):
        value = canonical.read(value.encode(), where=where)
    turns = as_array(value, where=where, max_items=MOST_TURNS)
    texts = tuple(as_text(turn, where=f"{where}/{n}") for n, turn in enumerate(turns))
    if not all(text.strip() for text in texts) or not texts:
        raise MalformedInput(where, "turns of some text each", found="an empty one or none")
    return texts


def _system(value: JsonValue, where: str) -> str | None:
    text = None if value is None else as_text(value, where=where)
    if text == "":
        raise MalformedInput(where, "some text, or no system text", found="an empty string")
    return text


def _plain(dataset: str, value: JsonValue, where: str) -> ItemRow:
    fields = as_object(value, where=where, required=_REQUIRED, optional=_OPTIONAL)
    text = {name: as_text(fields[name], where=f"{where}#/{name}") for name in _REQUIRED}
    maybe = {
        name: None
        if fields.get(name) is None
        else as_text(fields[name], where=f"{where}#/{name}")
        for name in _OPTIONAL
    }
    for name, part in text.items():
        if not part:
            raise MalformedInput(f"{where}#/{name}", "some text", found="an empty string")
    return ItemRow(
        dataset, text["id"], text["cluster"], text["kind"], maybe["context"], "",
        maybe["target"], maybe["other"], text["prompt"],
    )  # fmt: skip


def _mapped(
    dataset: str, columns: Columns, value: JsonValue, where: str, number: int
) -> ItemRow:
    """An item from the columns that the plan names; whole numbers and truth values are text."""
    fields = as_object(value, where=where, required=[columns.prompt], optional=None)

    def part(column: str | None) -> str | None:
        held = None if column is None else fields.get(column)
        return None if held is None else _as_words(held, f"{where}#/{column}")

    def named(column: str | None, otherwise: str) -> str:
        if column is None:
            return otherwise
        held = part(column)
        if not held:
            raise MalformedInput(f"{where}#/{column}", "some text", found="nothing")
        return held

    prompt = named(columns.prompt, "")
    return ItemRow(
        dataset,
        named(columns.id, f"{number:04d}"),
        named(columns.cluster, _same_prompt(dataset, fold(opening(prompt)))),
        named(columns.kind, "item"),
        part(columns.context),
        "",
        part(columns.target),
        part(columns.other),
        prompt,
    )


def _as_words(value: JsonValue, where: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else as_text(value, where=where)


def _same_prompt(dataset: str, prompt: str) -> str:
    """The cluster of the items with this prompt."""
    return f"{dataset}-{sha256_hex(prompt.encode())[:12]}"


def _lettered(dataset: str, value: JsonValue, where: str, number: int) -> ItemRow:
    """A question with lettered choices; choices beside the two named ones are left out.

    Named by line; equal questions are one cluster.
    """
    fields = as_object(value, where=where, required=_LETTERED)
    question, matching, other = (as_text(fields[n], where=f"{where}#/{n}") for n in _LETTERED)
    stem, *rest = _CHOICES.split(question, maxsplit=1)
    found: dict[str, str] = dict(_CHOICE.findall(rest[0])) if rest else {}
    letters = [answer.strip().strip("()") for answer in (matching, other)]
    if any(not found.get(letter) for letter in letters):
        expected = f"choices ({letters[0]}) and ({letters[1]}) after the question"
        raise MalformedInput(where, expected, found=", ".join(found) or "none")
    prompt = stem.strip().removeprefix("Question:").strip()
    return ItemRow(
        dataset, f"{number:04d}", _same_prompt(dataset, prompt), "choice",
        None, "", found[letters[0]], found[letters[1]], prompt,
    )  # fmt: skip
