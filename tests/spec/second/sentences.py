"""docs/spec/texts.md: conditions and sentences."""

from collections.abc import Iterable

from tests.spec.second.json_types import Json
from tests.spec.second.planned import is_dropped

SIMPLER = {
    "reconstruction": "the dictionary's reconstruction alone",
    "difference_in_means": "the difference of class means",
    "prompt": "a prompt",
    "system_prompt": "a system prompt",
    "refusal_direction": "the refusal direction",
}
CONTROL = ("exceeds_", "adds_to_", "sign_matters", "sham_is_baseline", "coherent")
REPORTED = "gaussian"
POLICIES = {
    "current": "",
    "none": " in its reconstruction of the activations",
    "clean": " with its errors on the unedited model",
}


def percent(x: float) -> str:
    """A share."""
    return f"{100 * x:.1f} %"


def points(x: float) -> str:
    """A difference of shares."""
    return f"{100 * x:+.1f} points"


def interval(a: float, b: float) -> str:
    """Two differences."""
    return f"{100 * a:+.1f} to {points(b)}"


def rate(k: int, n: int, high: float) -> str:
    """A rate with its counts."""
    return f"{k} of {n} ({percent(k / n)}{'' if k else f', at most {percent(high)}'})"


def p_text(x: float) -> str:
    """A p value."""
    return "p < 0.0001" if x < 1e-4 else f"p = {x:.2g}"


def number(x: float) -> str:
    """Any other number."""
    return f"{x:.4g}"


Conditions = list[tuple[str, bool, str]]
"""Id, whether it holds, reason."""


def _end(comparison: Json, *, up: bool) -> float:
    return float(comparison["low"] if up else -comparison["high"])


def _harm(comparison: Json, *, up: bool) -> float:
    return float(comparison["high"] if up else -comparison["low"])


def moved_by(comparison: Json, way: int, *, more: bool) -> float:
    """Clause 15.1a: a change in the claim's direction, what is missing taken at one end."""
    ends = comparison.get("excluded")
    if ends is None:
        return float(way * comparison["difference"])
    return (
        max(way * ends["least"], way * ends["most"])
        if more
        else min(way * ends["least"], way * ends["most"])
    )


def conditions(plan: Json, axis: Json, found: Json) -> list[Json]:
    """Section 2."""
    own = _of_effect if axis["claim"]["kind"] == "effect" else _of_no_change
    met = own(plan, axis, found) + _of_every_claim(axis, found) + _of_measures(axis, found)
    return [{"id": name, "holds": holds, "reason": reason} for name, holds, reason in met]


def without_feature(search: Json) -> list[Json]:
    """Section 2 where no feature was found."""
    reason = f"0 features kept of {search['candidates']} candidates"
    return [{"id": "feature_found", "holds": False, "reason": reason}]


def nothing_found(axis: Json, search: Json) -> str:
    """Section 3 where no feature was found."""
    rule, least = axis["selection"], ""
    ones, others = search["positive_items"], search["negative_items"]
    end = f"Nothing was edited, and nothing follows about {axis['claim']['rate']}."
    named = _positive(rule["contrast"])
    if rule["contrast"]["label"] == "outcome" and min(ones, others) < 2:
        return (
            f"No feature was found: {ones} discovery items are {named}, and {others} are not, "
            f"too few to be told apart. {end}"
        )
    if "least_p_adjusted" in search:
        p = p_text(search["least_p_adjusted"])
        least = f" (smallest corrected {p}, alpha {number(rule['alpha'])})"
    does = f"tells {named} from the rest on {ones} and {others}"
    if rule["statistic"] == "attribution":
        asked = rule["attribution"]
        verb = "lowers" if asked["direction"] == "down" else "raises"
        odds = f"the log-odds of {asked['evaluation']}"
        does = f"{verb} {odds}, to first order, on {ones + others}"
    return (
        f"No feature was found: none of {search['candidates']} candidates of "
        f"{axis['dictionary']} {does} discovery items{least}. {end}"
    )


def _positive(contrast: Json) -> str:
    """The positive class in words."""
    if contrast["label"] != "outcome":
        return str(contrast["positive"])
    measure = contrast["measure"]
    return f"prompts with outcome {' or '.join(measure['outcomes'])} of {measure['evaluation']}"


def _of_effect(plan: Json, axis: Json, found: Json) -> Conditions:
    claim, target, way = axis["claim"], found["target"], found["way"]
    moved, alpha = moved_by(target, way, more=False), plan["statistics"]["alpha"]
    up = claim["direction"] == "up"
    out: Conditions = []
    bound, p = _end(target, up=up), found["p_adjusted"]
    out += [
        (
            "significant",
            p <= alpha and moved > 0,
            (
                f"largest of the paired and rank tests, after Holm: {p_text(p)}; "
                f"alpha {number(alpha)}"
            ),
        ),
        (
            "large_enough",
            bound >= claim["margin"],
            (
                f"change in the claimed direction is at least {points(bound)} (bound of the "
                f"interval); {points(claim['margin'])} are asked"
            ),
        ),
    ]
    for test in found["controls"]:
        if test["family"] != REPORTED:
            reason = (
                f"{test['as_large']} of {test['controls']} controls as large as "
                f"{points(moved)}, the largest {points(test['largest'])}; "
                f"{test['silent']} silent; {p_text(test['p'])}"
            )
            holds = not test["silent"] and test["p"] <= alpha
            out.append((f"exceeds_{test['family']}", holds, reason))
    if found["degradation"] is not None:
        out.append(_at_equal_damage(axis["matched_degradation"], found["degradation"], alpha))
    other = {k: moved_by(found["named"][k], way, more=True) for k in found["named"]}
    out.append(
        (
            "exceeds_best_of",
            moved > other["best_of"],
            (
                f"target {points(moved)}; best random set with tuned dose "
                f"{points(other['best_of'])}"
            ),
        )
    )
    for role, name in (
        ("reconstruction", "exceeds_reconstruction"),
        ("opposite", "sign_matters"),
    ):
        reason = (
            f"target {points(moved)}; {role} {points(other[role])}; less than half is asked"
        )
        out.append((name, other[role] < moved / 2, reason))
    if is_dropped(axis):
        bound = _end(found["simpler"][0][1], up=up)
        reason = (
            "beside the reconstruction alone, the change in the claimed direction is at least "
            f"{points(bound)} (bound of the interval); {points(claim['margin'])} are asked"
        )
        out.append(("adds_to_reconstruction", bound >= claim["margin"], reason))
    return out


def _at_equal_damage(asked: Json, found: Json, alpha: float) -> tuple[str, bool, str]:
    target = found["arms"][0]
    if asked["test"] == "regression":
        p = found.get("p_residual")
        reason = (
            f"damage {number(target['damage'])} explains all but {points(found['residual'])} "
            f"of the target's {points(target['effect'])}"
        )
    else:
        p = found.get("p")
        reason = (
            f"{found['as_large']} of {found['matched']} controls as damaging as the target "
            f"({number(target['damage'])}, tolerance {number(asked['tolerance'])}) as large as "
            f"{points(target['effect'])}"
        )
        if not found["matched"] or 1 / (found["matched"] + 1) > alpha:
            reason += "; too few match to reach alpha: not known, and not shown"
    holds = p is not None and p <= alpha
    reason += "" if p is None else f"; {p_text(p)}"
    return "exceeds_at_matched_degradation", holds, reason


def _of_no_change(_: Json, axis: Json, found: Json) -> Conditions:
    claim, target, up = axis["claim"], found["target"], axis["claim"]["direction"] == "up"
    bound, least = _harm(target, up=up), found["least"]
    return [
        (
            "bounded",
            bound <= claim["margin"],
            (
                f"change in the harmful direction is at most {points(bound)} (bound of the "
                f"interval); {points(claim['margin'])} are tolerated"
            ),
        ),
        (
            "powered",
            least <= claim["margin"],
            (
                f"with no item changed at all the bound would be {points(least)}; "
                f"{points(claim['margin'])} are tolerated"
            ),
        ),
        (
            "manipulation_checked",
            bool(axis["mediators"]),
            f"{len(axis['mediators'])} manipulation checks planned",
        ),
    ]


def _of_every_claim(axis: Json, found: Json) -> Conditions:
    out: Conditions = []
    search = found["search"]
    reason = f"{len(search['features'])} features kept of {search['candidates']} candidates"
    out.append(("feature_found", True, reason))
    differ = found["named"]["sham"]["gained"] + found["named"]["sham"]["lost"]
    out.append(
        ("sham_is_baseline", not differ, f"{differ} items differ between sham and baseline")
    )
    if found["incoherent"] is not None:
        high, limit = found["incoherent"]["high"], axis["dose_rule"]["incoherent_at_most"]
        reason = (
            f"incoherent answers rise by at most {points(high)} (bound of the interval); "
            f"{points(limit)} are tolerated"
        )
        out.append(("coherent", high <= limit, reason))
    return out


def _of_measures(axis: Json, found: Json) -> Conditions:
    claim, up = axis["claim"], axis["claim"]["direction"] == "up"
    out: Conditions = []
    for effect, comparison in found["sides"]:
        worse = _harm(comparison, up=effect["worse"] == "up")
        reason = (
            f"{effect['title']}: worse by at most {points(worse)} (bound of the interval); "
            f"{points(effect['margin'])} are tolerated"
        )
        out.append((f"keeps.{effect['id']}", worse < effect["margin"], reason))
    if found["left"] is not None:
        bound, asked = _end(found["left"], up=up), claim["not_by"]
        reason = (
            f"with {' and '.join(asked['outcomes'])} as no gain, the change in the claimed "
            f"direction is at least {points(bound)} (bound of the interval); "
            f"{points(asked['at_least'])} are asked"
        )
        out.append(("more_than_refusal", bound >= asked["at_least"], reason))
    for mediator, comparison in found["mediators"]:
        change = _end(comparison, up=mediator["direction"] == "up")
        reason = (
            f"{mediator['title']}: changed as intended by at least {points(change)} (bound of "
            f"the interval); {points(mediator['at_least'])} are asked"
        )
        out.append((f"moves.{mediator['id']}", change >= mediator["at_least"], reason))
    if axis["purpose"] == "deployed":
        names = "names" if found["shipped"] else "does not name"
        reason = f"the release configuration {names} this intervention as a safeguard"
        out.append(("shipped", found["shipped"], reason))
    return out


def sentence(plan: Json, axis: Json, found: Json, met: list[Json]) -> str:
    """Section 3."""
    claim, target, level = axis["claim"], found["target"], percent(plan["statistics"]["level"])
    unit = _unit(target["clustered"]) if "clustered" in target else ""
    lacking = ""
    if "excluded" in target:
        pairs = target["excluded"]["pairs"]
        lacking = f"; {pairs} pairs lack an answer and count as the worst both ways"
    n, failed = found["items"], {c["id"] for c in met if not c["holds"]}
    seen = (
        f"{rate(target['both'] + target['lost'], n, found['highs'][0])} before, "
        f"{rate(target['both'] + target['gained'], n, found['highs'][1])} after, difference "
        f"{points(target['difference'])} ({level} interval "
        f"{interval(target['low'], target['high'])}, {p_text(target['p'])}, paired and held "
        f"out{unit}{lacking})"
    )
    if claim["kind"] == "effect":
        text = _effect_sentence(plan, axis, found, failed, seen)
    else:
        text = _null_sentence(axis, found, failed, seen)
    for arm, other in found["simpler"]:
        name = SIMPLER[arm.rpartition("/")[2]]
        told = (
            f"{points(other['difference'])} ({level} interval "
            f"{interval(other['low'], other['high'])}, {p_text(other['p'])})"
        )
        shown = other["p"] <= plan["statistics"]["alpha"]
        verdict = "the rate differs by" if shown else "no difference was shown:"
        text += f" Beside {name}, {verdict} {told}."
    return text


def _unit(clustered: Json) -> str:
    each = ""
    if "samples" in clustered:
        each = f" {clustered['samples']} answers to each item,"
    return f",{each} in {clustered['clusters']} clusters"


def _listed(ids: Iterable[str]) -> str:
    return "failed: " + ", ".join(sorted(ids))


def _edit(axis: Json, found: Json, failed: set[str]) -> str:
    released = axis["purpose"] == "deployed" and "shipped" not in failed
    k = len(found["search"]["features"])
    place = "As released" if released else "In the laboratory"
    edited = f"{place}, editing {k} feature{'' if k == 1 else 's'} of {axis['dictionary']}"
    n = len({one["member"] for one in found["members"] or ()})
    edited += f" and {n} decoder neighbour{'' if n == 1 else 's'}" if n else ""
    return edited + POLICIES[axis["candidate"].get("error_policy", "current")]


def _effect_sentence(plan: Json, axis: Json, found: Json, failed: set[str], seen: str) -> str:
    claim, target, statistics = axis["claim"], found["target"], plan["statistics"]
    blamed = {f for f in failed if f.startswith(CONTROL)}
    if target["p"] > statistics["alpha"] or moved_by(target, found["way"], more=False) <= 0:
        if found["detectable"] is None:
            return f"No effect was shown: {seen}."
        return (
            f"No effect was shown: {seen}. A change of "
            f"{points(found['detectable']).lstrip('+')} would have been found with power "
            f"{percent(statistics['power'])}, if 20.0 % of the items change."
        )
    if blamed:
        return (
            f"Outputs changed under perturbation: {seen}. The change cannot be put down to the "
            f"selected features ({_listed(blamed)})."
        )
    start = f"A change was observed on these items: {seen}."
    if "more_than_refusal" in failed:
        named = " and ".join(claim["not_by"]["outcomes"])
        return (
            f"{start} It is no gain: it is not shown that more than {named} took its place "
            f"({_listed(failed)})."
        )
    if failed - {"shipped"}:
        return f"{start} It does not support the claim ({_listed(failed)})."
    verb = "raises" if claim["direction"] == "up" else "lowers"
    return f"{_edit(axis, found, failed)} {verb} the rate of {claim['rate']}: {seen}."


def _null_sentence(axis: Json, found: Json, failed: set[str], seen: str) -> str:
    claim = axis["claim"]
    unchecked = {f for f in failed if f.startswith("moves.") or f == "manipulation_checked"}
    if unchecked:
        return (
            f"Nothing follows about {claim['rate']}: the intervention was not shown to do what "
            f"it is for ({_listed(unchecked)}). Observed: {seen}."
        )
    if failed - {"shipped"}:
        return f"No harmful change could be excluded: {seen} ({_listed(failed)})."
    harm = points(_harm(found["target"], up=claim["direction"] == "up")).lstrip("+")
    return (
        f"{_edit(axis, found, failed)} does not move the rate of {claim['rate']} by more than "
        f"{harm} in the harmful direction: {seen}."
    )
