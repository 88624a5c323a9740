"""Clause 15.2b: the target beside controls that damage the model as much."""

import math
from collections.abc import Sequence

from tests.spec.second.grading import repetition
from tests.spec.second.json_types import Json
from tests.spec.second.verifier import Verifier


def damage(v: Verifier, axis: Json, arm: str) -> float:
    """The held-out level of an arm."""
    asked, evaluation = axis["matched_degradation"], axis["claim"]["measure"]["evaluation"]
    if asked["damage"] == "capability":
        kept = next(e for e in axis["side_effects"] if e["id"] == asked["side_effect"])
        counts = v.counts(kept["measure"], arm)
        return (1 if kept["worse"] == "up" else -1) * sum(counts) / len(counts)
    if asked["damage"] == "incoherent":
        counts = v.counts({"evaluation": evaluation, "outcomes": ["incoherent"]}, arm)
        return sum(counts) / len(counts)
    rows = v.rows_of(evaluation, arm, "held_out")
    if asked["damage"] == "repetition":
        again = [repetition(row["output"]) for row in rows]
        return math.fsum(1.0 if a is None else a for a in again) / len(rows)
    if "nll" in rows[0]:
        return math.fsum(row["nll"] for row in rows) / len(rows)
    lacking = [
        -math.log(math.exp(row[f"{order}_matching"]) + math.exp(row[f"{order}_other"]))
        for row in rows
        for order in ("forward", "swapped")
    ]
    return math.fsum(lacking) / len(lacking)


def matched(v: Verifier, axis: Json, acting: Sequence[str], way: int) -> Json:
    """The target and every control that acts, at equal damage and on a line."""
    measure, target = axis["claim"]["measure"], f"{axis['id']}/target"
    before = v.counts(measure, "baseline")
    arms: list[Json] = [
        {
            "arm": arm,
            "damage": round(damage(v, axis, arm) - damage(v, axis, "baseline"), 9),
            "effect": way * (sum(v.counts(measure, arm)) - sum(before)) / len(before),
        }
        for arm in (target, *acting)
    ]
    aim, *others = arms
    least = round(aim["damage"] - axis["matched_degradation"]["tolerance"], 9)
    equals = [o for o in others if o["damage"] >= least]
    as_large = sum(o["effect"] >= aim["effect"] for o in equals)
    slope, left = _line([a["damage"] for a in arms], [a["effect"] for a in arms])
    found = {
        "arms": arms,
        "matched": len(equals),
        "as_large": as_large,
        "slope": slope,
        "residual": left[0],
    }
    if equals:
        found["p"] = (1 + as_large) / (1 + len(equals))
    if others:
        found["p_residual"] = sum(x >= left[0] for x in left) / len(left)
    return found


def _line(x: Sequence[float], y: Sequence[float]) -> tuple[float, list[float]]:
    mx, my = math.fsum(x) / len(x), math.fsum(y) / len(y)
    spread = math.fsum((a - mx) ** 2 for a in x)
    joint = math.fsum((a - mx) * (b - my) for a, b in zip(x, y, strict=True))
    slope = joint / spread if spread > 0 else 0.0
    return slope, [round(b - my - slope * (a - mx), 9) for a, b in zip(x, y, strict=True)]
