"""Items of a dataset file become rows of the items table, each in its split.

Two layouts are read. Ours: one object a line with `id`, `cluster`, `kind`, `prompt` and, where
they apply, `context`, `target`, `other`. The one of Perez et al. 2022 (arXiv 2212.09251):
`question` with lettered choices, `answer_matching_behavior`, `answer_not_matching_behavior`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from safetycase import canonical
from safetycase.canonical import JsonValue, as_object, as_text
from safetycase.digest import sha256_hex
from safetycase.errors import MalformedInput
from safetycase.methods.derive import splits_of
from safetycase.methods.text_grade import fold
from safetycase.record.plan import Plan
from safetycase.tables.evidence import Items
from safetycase.tables.rows import ItemRow

_REQUIRED = ("id", "cluster", "kind", "prompt")
_OPTIONAL = ("context", "target", "other")
_LETTERED = ("question", "answer_matching_behavior", "answer_not_matching_behavior")
_NO_ITEMS = "A dataset has one JSON object a line; leave it out of the plan if it has none."
_CHOICES = re.compile(r"\s*\bChoices:\s*(?=\(A\))")
_CHOICE = re.compile(r"\(([A-Z])\)\s*(.*?)\s*(?=\n\s*\([A-Z]\)|\n\s*Answer:|\Z)", re.DOTALL)


def read_items(plan: Plan, plan_digest: str, files: Mapping[str, Path]) -> Items:
    """The items table of a plan: datasets in plan order, items in file order.

    A cluster has one split in the whole plan, whatever dataset its items stand in. Refuses
    malformed lines, items named twice and empty datasets, with the line; questions that a
    dataset asks twice in a split, and prompts that stand in two splits.
    """
    raw: list[ItemRow] = []
    for dataset in plan.datasets:
        raw += _unique(_rows(dataset.id, files[dataset.id]), files[dataset.id].name)
    splits = splits_of(plan, plan_digest, [row.cluster for row in raw])
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
        twin = stands.setdefault(fold(row.prompt), row)
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


def _rows(dataset: str, file: Path) -> Iterable[ItemRow]:
    lines = file.read_bytes().splitlines()
    if not lines:
        raise MalformedInput(
            file.name, "at least one item", found="an empty file", remedy=_NO_ITEMS
        )
    for number, line in enumerate(lines, start=1):
        where = f"{file.name} line {number}"
        value = canonical.read(line, where=where)
        if isinstance(value, dict) and "question" in value:
            yield _lettered(dataset, value, where, number)
        else:
            yield _plain(dataset, value, where)


def _unique(rows: Iterable[ItemRow], where: str) -> list[ItemRow]:
    seen: dict[str, ItemRow] = {}
    for row in rows:
        if row.item in seen:
            raise MalformedInput(
                where,
                "every item once",
                found=f"{row.item} twice",
                remedy="Give each item an id of its own in the dataset.",
            )
        seen[row.item] = row
    return list(seen.values())


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
        dataset, f"{number:04d}", f"{dataset}-{sha256_hex(prompt.encode())[:12]}", "choice",
        None, "", found[letters[0]], found[letters[1]], prompt,
    )  # fmt: skip
