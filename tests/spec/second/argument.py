"""docs/spec/texts.md, sections 5 and 6: the argument and the limitations."""

from tests.spec.second.json_types import Json

LIMITATIONS = """\
Nothing here shows, without the weights, that the rows came from this model.
Nothing here shows that the published activations are the model's own.
Nothing here shows that no other runs exist; only a third party's time and a seed that nobody \
could choose would.
Clusters are the author's sorting: items of different clusters are taken as independent, and \
the search for features counts items one by one.
The rates are those of these items, graders and sampling; they say nothing of other ones.
"""


def limitations(plan: Json) -> list[str]:
    """Section 6."""
    axes = plan["axes"]
    out = LIMITATIONS.splitlines()
    out += [
        f"Axis {a['id']} has no manipulation check: that the edit acts through what the "
        "features stand for is not shown."
        for a in axes
        if not a["mediators"]
    ]
    out += [
        f"What the intervention of axis {a['id']} does to the other axes is not measured."
        for a in axes
        if len(axes) > 1 and not a.get("off_target")
    ]
    return out + [
        f"Axis {a['id']} is a laboratory study: nothing released carries this intervention."
        for a in axes
        if a["purpose"] == "diagnostic"
    ]


DOUBTS = (
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
    ("origin", "The rows may not have come from this model.", None),
    ("forking", "Other runs may exist that are not shown.", None),
)


def argument(plan: Json, results: Json) -> list[Json]:
    """Section 5."""
    state = {True: "holds", False: "open"}
    every = state[all(a["claim"]["holds"] for a in results["axes"])]
    text = f"Release tier: {results['decision']['tier']}."
    nodes = [{"id": "decision", "kind": "goal", "text": text, "state": every}]
    text = "Argued over each risk axis of the plan."
    nodes.append(
        {"id": "by-axis", "kind": "strategy", "text": text, "supports": "decision"}
        | {"state": every}
    )
    for axis, result in zip(plan["axes"], results["axes"], strict=True):
        a, claim = axis["id"], result["claim"]
        goal, holds = f"{a}.goal", state[claim["holds"]]
        met = {c["id"]: c["holds"] for c in claim["conditions"]}
        text = f"{axis['title']}: the planned claim holds."
        nodes.append({"id": goal, "kind": "goal", "text": text, "state": holds})
        nodes[-1]["supports"] = "by-axis"
        below = {"supports": goal, "claim": a}
        nodes.append({"id": f"{a}.evidence", "kind": "solution", **below})
        nodes[-1] |= {"text": claim["wording"], "state": holds}
        for name, text, condition in DOUBTS:
            node = {"id": f"{a}.doubt.{name}", "kind": "defeater", "text": text, **below}
            if condition is None:
                nodes.append(node | {"state": "residual"})
            elif condition in met:
                said = "mitigated" if met[condition] else "open"
                nodes.append(node | {"state": said, "condition": condition})
    return nodes
