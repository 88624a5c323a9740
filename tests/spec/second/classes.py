"""Clauses 12.1 to 12.1c: the classes of prompts, and the search among them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.spec.second import directions
from tests.spec.second.json_types import Json

if TYPE_CHECKING:
    from tests.spec.second.verifier import Verifier


def classes(v: Verifier, contrast: Json, split: str) -> list[bool | None]:
    """Clause 12.1b: which items of a contrast are of which class; none: of neither."""
    items = v.items[contrast["dataset"], split]
    if contrast["label"] != "outcome":
        return [i[contrast["label"]] == contrast["positive"] for i in items]
    measure = contrast["measure"]
    given = at_baseline(v, measure["evaluation"])
    votes = [[o in measure["outcomes"] for o in given.get(i["item"], [])] for i in items]
    return [2 * sum(vote) > len(vote) if vote else None for vote in votes]


def at_baseline(v: Verifier, evaluation: str) -> dict[str, list[str]]:
    """The grades of the baseline's answers that are there, by item; before the grid is."""
    measure, kind = v.evaluations[evaluation]["measure"], v.table_of(evaluation)
    threshold = v.probe_of(evaluation, measure) if kind == "probes" else 0.0
    dataset = v.evaluations[evaluation]["dataset"]
    items = {i["item"]: i for i in v.tables["items"] if i["dataset"] == dataset}
    found: dict[str, list[str]] = {}
    for row in v.tables.get(kind, []):
        if (row["evaluation"], row["arm"]) == (evaluation, "baseline"):
            grade = v.outcome(kind, row, items[row["item"]], measure, threshold)
            found.setdefault(row["item"], []).append(grade)
    return found


def search(v: Verifier, axis: Json, pooled: directions.Pooled) -> Json:
    """The search of an axis, on the prompts that it compares."""
    rule = axis["selection"]
    own = classes(v, rule["contrast"], "discovery")
    compared = [c is not None for c in own]
    if rule["statistic"] == "attribution":
        items = v.items[rule["contrast"]["dataset"], "discovery"]
        given = at_baseline(v, rule["attribution"]["evaluation"])
        compared = [c and i["item"] in given for c, i in zip(compared, items, strict=True)]
    found = directions.search(pooled, own, compared, rule)
    left_out = compared.count(False)
    return found | ({"unanswered": left_out} if left_out else {})


def classed(
    v: Verifier, contrast: Json, rows: list[directions.Row]
) -> tuple[list[directions.Row], list[bool]]:
    """Rows of the discovery items that are of a class, and the classes."""
    own = classes(v, contrast, "discovery")
    there = [(row, c) for row, c in zip(rows, own, strict=True) if c is not None]
    return [row for row, _ in there], [c for _, c in there]
