"""An argument is one tree, and no claim in it goes without doubts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from safetycase.methods.argument import argument, breaks
from safetycase.record.case import Case, Node
from safetycase.record.plan import Plan
from tests.kit.builder import KitCase, honest_case
from tests.kit.cases import HONEST, failing_case

Nodes = list[Node]


def _plan(case: KitCase) -> Plan:
    return Plan.model_validate_json(case.members["plan.json"])


def _nodes(case: KitCase) -> Nodes:
    return list(Case.model_validate_json(case.members["case.json"]).argument)


def _found(case: KitCase, nodes: Nodes) -> set[str]:
    return {f"{each.expected} / {each.found}" for each in breaks(_plan(case), nodes)}


@pytest.mark.parametrize("name", ["holding", "failing", "unmoved", "two claims"])
def test_an_honest_argument_has_no_break(name: str) -> None:
    case = HONEST[name]()
    assert _found(case, _nodes(case)) == set()
    record = Case.model_validate_json(case.members["case.json"])
    assert _nodes(case) == list(argument(_plan(case), record.results))


def _changed(nodes: Nodes, name: str, **fields: object) -> Nodes:
    return [n.model_copy(update=fields) if n.id == name else n for n in nodes]


def _without(nodes: Nodes, part: str) -> Nodes:
    return [node for node in nodes if part not in node.id]


@pytest.mark.parametrize(
    ("alter", "found"),
    [
        (
            lambda nodes: _changed(nodes, "by-axis", supports="watched.goal"),
            {"decision / watched.goal", "a way to the decision / none from by-axis"},
        ),
        (
            lambda nodes: _changed(nodes, "watched.evidence", supports="nowhere"),
            {
                "watched.goal / nowhere",
                "a way to the decision / none from watched.evidence",
            },
        ),
        (
            lambda nodes: _changed(nodes, "watched.evidence", supports=None),
            {"watched.goal / None"},
        ),
        (
            lambda nodes: _changed(nodes, "watched.doubt.hook", supports="knowledge.goal"),
            {"watched.goal / knowledge.goal"},
        ),
        (
            lambda nodes: [*nodes, nodes[-1].model_copy()],
            {"a node of its own / knowledge.doubt.forking again"},
        ),
        (
            lambda nodes: _without(nodes, "watched.doubt"),
            {"a reason to doubt the claim of watched / none"},
        ),
        (
            lambda nodes: _changed(nodes, "watched.doubt.hook", state="open"),
            {"watched.goal without an open doubt / watched.doubt.hook"},
        ),
    ],
)
def test_every_break_is_named(alter: Callable[[Nodes], Nodes], found: set[str]) -> None:
    case = honest_case()
    told = _found(case, alter(_nodes(case)))
    assert told >= found
    assert all("none from" in each for each in told - found)


def test_an_open_doubt_below_a_goal_that_fails_is_honest() -> None:
    case = failing_case()
    open_doubts = [n for n in _nodes(case) if (n.kind, n.state) == ("defeater", "open")]
    assert open_doubts
    assert _found(case, _nodes(case)) == set()
