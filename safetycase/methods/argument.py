"""The argument from evidence to decision (GSN), with the reasons to doubt it.

Small and computed: every leaf is a claim's condition, every claim carries the defeaters that
a reviewer would raise, and each of those is mitigated by a condition or stays as residual.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from safetycase.methods.gap import Gap
from safetycase.methods.grid import axis_named
from safetycase.record.case import Node
from safetycase.record.plan import Plan
from safetycase.record.results import AxisResult, Results

DEFEATERS = (
    (
        "controls",
        "Any perturbation of this size would do the same.",
        "exceeds_random_direction",
    ),
    ("selection", "Any tuned random features would do the same.", "exceeds_best_of"),
    ("damage", "The model is merely broken by the edit.", "coherent"),
    (
        "equal_damage",
        "Any edit that damages the model as much would do the same.",
        "exceeds_at_matched_degradation",
    ),
    ("hook", "The measuring apparatus itself changes the answers.", "sham_is_baseline"),
)
"""Reasons to doubt a claim that a condition can answer: name, text, condition."""

RESIDUAL = (
    ("origin", "The rows may not have come from this model."),
    ("forking", "Other runs may exist that are not shown."),
)
"""Reasons to doubt that nothing in a case can answer."""

LIMITATIONS = (
    "Nothing here shows, without the weights, that the rows came from this model.",
    "Nothing here shows that the published activations are the model's own.",
    (
        "Nothing here shows that no other runs exist; only a third party's time and a seed "
        "that nobody could choose would."
    ),
    (
        "Clusters are the author's sorting: items of different clusters are taken as "
        "independent, and the search for features counts items one by one."
    ),
    "The rates are those of these items, graders and sampling; they say nothing of other ones.",
)
"""What no case of this version shows."""


def argument(plan: Plan, results: Results) -> tuple[Node, ...]:
    """The nodes of the argument, the root first, then axis by axis."""
    return tuple(_nodes(plan, results))


def _nodes(plan: Plan, results: Results) -> Iterator[Node]:
    holding = all(result.claim.holds for result in results.axes)
    yield _node("decision", "goal", f"Release tier: {results.decision.tier}.", None, holding)
    yield _node(
        "by-axis", "strategy", "Argued over each risk axis of the plan.", "decision", holding
    )
    for result in results.axes:
        yield from _axis_nodes(plan, result)


def _axis_nodes(plan: Plan, result: AxisResult) -> Iterator[Node]:
    goal = f"{result.axis}.goal"
    claim = result.claim
    title = axis_named(plan, result.axis).title
    yield _node(goal, "goal", f"{title}: the planned claim holds.", "by-axis", claim.holds)
    yield Node(
        id=f"{result.axis}.evidence",
        kind="solution",
        text=claim.wording,
        supports=goal,
        claim=result.axis,
        state="holds" if claim.holds else "open",
        condition=None,
    )
    states = {condition.id: condition.holds for condition in claim.conditions}
    for name, text, condition in DEFEATERS:
        if condition in states:
            yield Node(
                id=f"{result.axis}.doubt.{name}",
                kind="defeater",
                text=text,
                supports=goal,
                claim=result.axis,
                state="mitigated" if states[condition] else "open",
                condition=condition,
            )
    for name, text in RESIDUAL:
        yield Node(
            id=f"{result.axis}.doubt.{name}",
            kind="defeater",
            text=text,
            supports=goal,
            claim=result.axis,
            state="residual",
            condition=None,
        )


def _node(name: str, kind: str, text: str, supports: str | None, holds: bool) -> Node:  # noqa: FBT001
    return Node.model_validate(
        {
            "id": name,
            "kind": kind,
            "text": text,
            "supports": supports,
            "claim": None,
            "state": "holds" if holds else "open",
            "condition": None,
        }
    )


def breaks(plan: Plan, nodes: Sequence[Node]) -> Iterator[Gap]:
    """Where stated nodes are not one tree, and where a claim goes without doubts.

    Every node stands once and below the one it supports; from each the decision is reached.
    Every claim has a reason to doubt it, and none that is open below a goal that holds.
    """
    by_name = {node.id: node for node in nodes}
    for number, node in enumerate(nodes):
        place, parent = f"/argument/{number}/supports", _parent(node)
        if by_name[node.id] is not node:
            yield Gap(f"/argument/{number}/id", "a node of its own", f"{node.id} again")
        if node.supports != parent:
            yield Gap(place, str(parent), str(node.supports))
        if not _reaches_root(node, by_name):
            yield Gap(place, "a way to the decision", f"none from {node.id}")
    for axis in plan.axes:
        goal = by_name.get(f"{axis.id}.goal")
        doubts = [node for node in nodes if (node.kind, node.claim) == ("defeater", axis.id)]
        if not doubts:
            yield Gap("/argument", f"a reason to doubt the claim of {axis.id}", "none")
        still = [node.id for node in doubts if node.state == "open"]
        if still and goal is not None and goal.state == "holds":
            yield Gap("/argument", f"{goal.id} without an open doubt", ", ".join(still))


def _parent(node: Node) -> str | None:
    """The node that one of this name supports or attacks."""
    if node.claim is not None:
        return f"{node.claim}.goal"
    return {"decision": None, "by-axis": "decision"}.get(node.id, "by-axis")


def _reaches_root(node: Node, by_name: dict[str, Node]) -> bool:
    seen: set[str] = set()
    at: Node | None = node
    while at is not None and at.id not in seen:
        if at.supports is None:
            return True
        seen.add(at.id)
        at = by_name.get(at.supports)
    return False


def limitations(plan: Plan) -> tuple[str, ...]:
    """The fixed limitations, and those that follow from what the plan leaves out."""
    extra = [
        f"Axis {axis.id} has no manipulation check: that the edit acts through what the "
        "features stand for is not shown."
        for axis in plan.axes
        if not axis.mediators
    ]
    extra += [
        f"What the intervention of axis {axis.id} does to the other axes is not measured."
        for axis in plan.axes
        if len(plan.axes) > 1 and not axis.off_target
    ]
    extra += [
        f"Axis {axis.id} is a laboratory study: nothing released carries this intervention."
        for axis in plan.axes
        if axis.purpose == "diagnostic"
    ]
    return (*LIMITATIONS, *extra)
