"""What a claim is judged by: clauses 12 to 15."""

import math
from statistics import NormalDist, median

from tests.spec.second import beside, degradation, directions, doses, figures
from tests.spec.second.arms import arm_specs
from tests.spec.second.classes import classes as classes_of
from tests.spec.second.classes import search as search_of
from tests.spec.second.json_types import Json
from tests.spec.second.members import members_of
from tests.spec.second.planned import NAMED, is_dropped
from tests.spec.second.verifier import Verifier


def searched(v: Verifier, axis: Json) -> Json:
    """Clauses 12.1 and 12.2: the search, and both class sizes of discovery and held out."""
    contrast = axis["selection"]["contrast"]
    classes = {split: classes_of(v, contrast, split) for split in ("discovery", "held_out")}
    pooled = directions.Pooled(v.tensors, axis["id"])
    search = search_of(v, axis, pooled)
    sizes = [(c.count(True), c.count(False)) for c in classes.values()]
    search |= {"positive_items": sizes[0][0], "negative_items": sizes[0][1]}
    prompts = {i["item"]: i["prompt"] for i in v.items[contrast["dataset"], "held_out"]}
    for kept in search["features"]:
        key = (axis["id"], kept["feature"])
        own = {
            table: [r for r in v.tables[table] if (r["axis"], r["feature"]) == key]
            for table in ("label_words", "label_checks")
        }
        scores = [r["activation"] for r in own["label_checks"] if r["position"] == -1]
        if "pooling" in axis["selection"]:
            place = search["features"].index(kept)
            scores = [row[place] for row in v.tensors.rows(f"{axis['id']}.held_out")]
        sides = [
            [s for s, c in zip(scores, classes["held_out"], strict=True) if c is k]
            for k in (True, False)
        ]
        kept["held_out_auroc"] = figures.mann_whitney(*sides)[0]
        kept["label"] = beside.label(own["label_words"], axis["labels"]["words"])
        kept["label_score"] = beside.label_score(
            own["label_checks"],
            kept["label"],
            prompts,
            v.seed,
            f"{key[0]}/label/{key[1]}",
            axis["labels"]["minimum_score"],
        )
    return pooled, search, sizes, classes["discovery"]


def findings(v: Verifier, axis: Json) -> Json:
    """What a claim is judged by: clauses 12 to 15."""
    a, claim, plan = axis["id"], axis["claim"], v.plan
    pooled, search, sizes, positive = searched(v, axis)
    if not search["features"]:
        return {"search": search, "p": 1.0 if claim["kind"] == "effect" else None}
    series = doses.every_series(v, axis)
    measure = claim["measure"]
    way = 1 if claim["direction"] == "up" else -1
    simpler = v.named(axis)[len(NAMED) :]
    if is_dropped(axis):
        simpler = [f"{a}/reconstruction", *simpler]
    beside = [(arm, v.compared(measure, f"{a}/target", arm)) for arm in simpler]
    compared = {arm.rpartition("/")[2]: v.compared(measure, arm) for arm in v.named(axis)}
    target = compared["target"]
    controls = [control_test(v, axis, family, way) for family in v.families()]
    relied = [c["p"] for c in controls if c["family"] != "gaussian"]
    effect = claim["kind"] == "effect"
    damaged = None
    if "matched_degradation" in axis:
        acting = [acting_in(v, axis, f) for f in v.families() if f != "gaussian"]
        damaged = degradation.matched(v, axis, [arm for arms in acting for arm in arms], way)
        test = axis["matched_degradation"]["test"]
        relied.append(damaged.get("p" if test == "matched" else "p_residual", 1.0))
    relied += [c["p"] for arm, c in beside if arm.endswith("/reconstruction")]
    sides = [(s, v.compared(s["measure"], f"{a}/target")) for s in v.side_effects(axis)]
    mediators = [(m, v.compared(m["measure"], f"{a}/target")) for m in axis["mediators"]]
    broken = {"evaluation": measure["evaluation"], "outcomes": ["incoherent"]}
    generated = v.evaluations[measure["evaluation"]]["measure"]["kind"] == "generate"
    groups = v.groups(measure["evaluation"], "held_out")
    members = members_of(v, axis, search, pooled)
    edited = {f["feature"] for f in search["features"]} | {m["member"] for m in members or ()}
    arms = arm_specs(v, axis, edited, pooled, series)
    return {
        "arms": arms,
        "members": members,
        "pooled": pooled,
        "search": search,
        "sizes": sizes,
        "positive": positive,
        "series": series,
        "way": way,
        "named": compared,
        "target": target,
        "items": len(v.counts(measure, "baseline")),
        "controls": controls,
        "degradation": damaged,
        "p": max(target["p"], *relied) if effect else None,
        "p_adjusted": None,
        "sides": sides,
        "mediators": mediators,
        "incoherent": v.compared(broken, f"{a}/target") if generated else None,
        "left": left_over(v, axis),
        "simpler": beside,
        "highs": [v.rate(measure, arm)["high"] for arm in ("baseline", f"{a}/target")],
        "detectable": detectable(plan, groups.if_alike) if effect else None,
        "least": groups.bound_without_change(plan["statistics"]["level"])
        if not groups.alone
        else figures.tango(0, 0, groups.n, plan["statistics"]["level"])[1],
    }


def acting_in(v: Verifier, axis: Json, family: str) -> list[str]:
    """Clause 13.4: the controls of a family that act."""
    a, measure = axis["id"], axis["claim"]["measure"]

    def norm(arm: str) -> float:
        return (v.realised(measure, arm, "held_out") or (0.0, 0.0))[0]

    aim = norm(f"{a}/target")
    tolerance = v.plan["controls"]["norm_tolerance"] * aim
    arms = [f"{a}/{family}/{i:02}" for i in range(v.families()[family])]
    return [arm for arm in arms if abs(norm(arm) - aim) <= tolerance]


def control_test(v: Verifier, axis: Json, family: str, way: int) -> Json:
    """Clauses 13.4 and 15.2."""
    a, measure = axis["id"], axis["claim"]["measure"]
    arms = [f"{a}/{family}/{i:02}" for i in range(v.families()[family])]
    acting = acting_in(v, axis, family)

    def effect(arm: str, *, more: bool) -> float:
        rises = more == (way > 0)
        after = v.counts(measure, arm, missing=rises)
        before = v.counts(measure, "baseline", missing=not rises)
        return way * ((sum(after) - sum(before)) / len(after))

    effects = [effect(arm, more=True) for arm in acting]
    as_large = sum(e >= effect(f"{a}/target", more=False) for e in effects)
    return {
        "family": family,
        "controls": len(acting),
        "silent": len(arms) - len(acting),
        "as_large": as_large,
        "largest": max(effects),
        "median": median(effects),
        "p": (1 + as_large) / (1 + len(acting)),
    }


def left_measure(claim: Json) -> Json:
    """Clause 15.4b: the rate with what is no gain as none; none if that is not asked."""
    if "not_by" not in claim:
        return None
    counted, apart = claim["measure"]["outcomes"], claim["not_by"]["outcomes"]
    if claim["direction"] == "down":
        outcomes = counted + [o for o in apart if o not in counted]
    else:
        outcomes = [o for o in counted if o not in apart]
    return {"evaluation": claim["measure"]["evaluation"], "outcomes": outcomes}


def left_over(v: Verifier, axis: Json) -> Json:
    """The target's change of that rate."""
    measure = left_measure(axis["claim"])
    if measure is None:
        return None
    return v.compared(measure, f"{axis['id']}/target") | {"measure": measure}


def detectable(plan: Json, worth: float) -> float | None:
    """Clause 15.1: the least change that the sample finds."""
    family = sum(a["claim"]["kind"] == "effect" for a in plan["axes"])
    normal = NormalDist()
    z = normal.inv_cdf(1 - plan["statistics"]["alpha"] / family / 2)
    z += normal.inv_cdf(plan["statistics"]["power"])
    found = z * math.sqrt(0.2 / (int(worth) + z * z))
    return None if found > 0.2 else 1 / worth + found
