"""The results of the record, made again: what a test compares with `case.json`."""

from statistics import fmean, stdev, variance

from tests.spec.second import beside, doses, figures, sentences
from tests.spec.second.calibration import calibrations
from tests.spec.second.clusters import Groups, korn_graubard
from tests.spec.second.container import sha256, spelled
from tests.spec.second.draws import SPLITS
from tests.spec.second.json_types import Estimate, Json
from tests.spec.second.judged import findings, left_measure
from tests.spec.second.planned import candidates, is_dropped
from tests.spec.second.traces import neighbours, summary
from tests.spec.second.verifier import Verifier


def results(v: Verifier) -> dict:
    """Splits, axes and decision."""
    judged = [findings(v, axis) for axis in v.plan["axes"]]
    family = [f for f in judged if f["p"] is not None]
    for f, adjusted in zip(family, figures.holm([f["p"] for f in family]), strict=True):
        f["p_adjusted"] = adjusted
    for f in judged:
        f.setdefault("p_adjusted", None)
    axes = [axis_result(v, axis, f) for axis, f in zip(v.plan["axes"], judged, strict=True)]
    splits = [
        {"dataset": d["id"], **{s: len(v.items.get((d["id"], s), [])) for s in SPLITS}}
        for d in v.plan["datasets"]
    ]
    found = {"splits": splits, "axes": axes, "decision": decision(v, axes)}
    return found | {"calibration": calibrations(v)}


def measures(claim: Json, axis: Json, found: Json) -> list[tuple[Json, bool]]:
    """Clause 15.1: every rate, and whether arms with a number have it too."""
    measured = [(claim["measure"], True)] + [(m["measure"], True) for m in axis["mediators"]]
    asked = axis.get("matched_degradation", {}).get("side_effect")
    measured += [(s["measure"], s["id"] == asked) for s, _ in found["sides"]]
    if found["incoherent"] is not None:
        broken = {"evaluation": claim["measure"]["evaluation"], "outcomes": ["incoherent"]}
        measured.append((broken, True))
    if found["left"] is not None and found["left"]["measure"] not in [m for m, _ in measured]:
        measured.append((found["left"]["measure"], False))
    return measured


def axis_result(v: Verifier, axis: Json, found: Json) -> Json:
    """The result of an axis."""
    if axis["id"] in v.featureless:
        return result_without_feature(v, axis, found)
    a, claim, spec = axis["id"], axis["claim"], found["arms"]
    chosen = candidates(axis)[spec["candidate"]]
    shared = v.intervention(axis, chosen, spec["unit_norm"])
    complete = shared | {
        "features": spec["target"],
        "dose": spec["dose"],
        "coefficient": spec["dose"] * spec["unit_norm"],
    }
    if chosen["operation"] == "clamp":
        complete["units"] = spec["units"]
    digest = sha256(spelled(complete))
    shipped = v.case["subject"]["safeguards"]
    found["shipped"] = {"axis": a, "intervention": digest} in shipped
    met = sentences.conditions(v.plan, axis, found)
    arms = v.named(axis)
    measured = measures(claim, axis, found)
    statistics = v.plan["statistics"]
    v.directions[a] = spec["directions"]
    return {
        "axis": a,
        "identification": found["search"],
        "intervention": shared,
        "intervention_digest": digest,
        "arms": spec["arms"],
        "dose_response": doses.stated(axis, found["series"]),
        "rates": [
            v.rate(measure, arm)
            | {"arm": arm, "measure": measure, "split": "held_out"}
            | {"table": f"evidence/{v.table_of(measure['evaluation'])}.jsonl"}
            for measure, every in measured
            for arm in ["baseline", *arms, *(v.numbered(axis) if every else [])]
        ],
        "comparisons": [
            c | {"arm": f"{a}/{name}", "measure": claim["measure"]}
            for name, c in found["named"].items()
        ]
        + [
            v.compared(measure, f"{a}/target") | {"arm": f"{a}/target", "measure": measure}
            for measure, _ in measured[1:]
        ],
        "controls": found["controls"],
        "degradation": found["degradation"],
        "baselines": [c | {"arm": arm} for arm, c in found["simpler"]] or None,
        "outcomes": outcomes(v, claim["measure"], ["baseline", *arms]),
        "shrinkage": {
            "effect": shrunk_effect(v, axis, spec),
            "features": [
                {"feature": f["feature"]}
                | beside.shrunk_feature(f, found["sizes"], statistics["level"])
                for f in found["search"]["features"]
            ],
        },
        "strata": strata(v, axis),
        "claim": {
            "holds": all(c["holds"] for c in met),
            "p": found["p"],
            "p_adjusted": found["p_adjusted"],
            "detectable": found["detectable"],
            "conditions": met,
            "wording": sentences.sentence(v.plan, axis, found, met),
            "mechanism": mechanism(axis, met),
        },
        "steering": steering(v, axis),
        "neighbours": neighbours(v, axis, found["search"], found["pooled"]),
        "groups": found["members"],
        "traces": summary(v, axis, spec, found["pooled"]),
    }


def outcomes(v: Verifier, measure: Json, arms: list[str]) -> list[Json]:
    """Clause 15.4a: how many answers had each outcome."""
    return [
        {
            "arm": arm,
            "outcome": o,
            "items": len(v.counts(measure, arm)),
            "counted": sum(v.counts(measure | {"outcomes": [o]}, arm)),
        }
        for arm in arms
        for o in v.outcomes_of(measure["evaluation"])
    ]


def result_without_feature(v: Verifier, axis: Json, found: Json) -> Json:
    """Clause 10.3."""
    claim = axis["claim"]
    measured = [m["measure"] for m in [claim, *axis["mediators"], *v.side_effects(axis)]]
    evaluation = claim["measure"]["evaluation"]
    if v.evaluations[evaluation]["measure"]["kind"] == "generate":
        measured.append({"evaluation": evaluation, "outcomes": ["incoherent"]})
    if (rest := left_measure(claim)) is not None and rest not in measured:
        measured.append(rest)
    return {
        "axis": axis["id"],
        "identification": found["search"],
        **{key: [] for key in ("arms", "dose_response", "comparisons", "controls")},
        "rates": [
            v.rate(measure, "baseline")
            | {"arm": "baseline", "measure": measure, "split": "held_out"}
            | {"table": f"evidence/{v.table_of(measure['evaluation'])}.jsonl"}
            for measure in measured
        ],
        "outcomes": outcomes(v, claim["measure"], ["baseline"]),
        "claim": {
            "holds": False,
            "p": found["p"],
            "p_adjusted": found["p_adjusted"],
            "conditions": sentences.without_feature(found["search"]),
            "wording": sentences.nothing_found(axis, found["search"]),
        },
    }


def mechanism(axis: Json, met: list[Json]) -> str:
    """Clause 15.4c: the kind of evidence."""
    failed = {c["id"] for c in met if not c["holds"]} - {"shipped"}
    if axis["claim"]["kind"] != "effect" or failed:
        return "behavioural_association"
    taken_out = axis["dose_rule"]["sign"] == "negative" and all(
        edit["operation"] in {"scale", "ablate", "project_out"} and min(edit["doses"]) >= -1
        for edit in [axis["candidate"], *axis.get("alternatives", [])]
    )
    return "intervention_necessary" if taken_out else "intervention_sufficient"


def shrunk_effect(v: Verifier, axis: Json, spec: Json) -> Json:
    """Clause 15.4a: the effect where the dose was chosen, and where it was not."""
    a, rule, k = axis["id"], axis["dose_rule"], spec["candidate"]
    tried = candidates(axis)[k]["doses"]
    on = [m["measure"]["evaluation"] for m in [axis["claim"], *axis["mediators"]]]
    if rule["measure"]["evaluation"] not in on:
        return None

    def change(before: str, after: str, split: str) -> Estimate:
        sides = (v.counts(rule["measure"], arm, split) for arm in (before, after))
        c = v.change(*sides, v.groups(rule["measure"]["evaluation"], split))
        three = c["difference"], c["low"], c["high"]
        return three if rule["direction"] == "up" else (-three[0], -three[2], -three[1])

    start = f"{a}/alternative/{k:02}/dose" if k else f"{a}/dose"
    zero, dose = (f"{start}/{tried.index(d):02}" for d in (0, spec["dose"]))
    tuned = change(zero, dose, "tuning")
    before = f"{a}/reconstruction" if is_dropped(axis) else "baseline"
    fresh = change(before, f"{a}/target", "held_out")
    gap, low, high = beside.apart(fresh, tuned)
    return {
        "tuning": tuned[0],
        "held_out": fresh[0],
        "difference": gap,
        "low": low,
        "high": high,
        "large": tuned[0] > 0 and fresh[0] < tuned[0] / 2,
    }


def strata(v: Verifier, axis: Json) -> list[Json] | None:
    """Clause 15.4a: the effect by what a mediator said at baseline."""
    measure, out = axis["claim"]["measure"], []
    dataset = v.evaluations[measure["evaluation"]]["dataset"]
    items = v.items[dataset, "held_out"]
    before, after = (v.counts(measure, arm) for arm in ("baseline", f"{axis['id']}/target"))
    for mediator in axis["mediators"]:
        other = mediator["measure"]["evaluation"]
        names = (measure["evaluation"], other)
        if v.evaluations[other]["dataset"] != dataset or max(map(v.samples, names)) > 1:
            continue
        inside = v.counts(mediator["measure"], "baseline")
        for counted in (True, False):
            chosen = [i for i, mine in enumerate(inside) if mine is counted]
            row = {"mediator": mediator["id"], "counted": counted, "items": len(chosen)}
            one, two = ([cell[i] for i in chosen] for cell in (before, after))
            row |= {"before": sum(one), "after": sum(two)}
            if chosen:
                change = v.change(one, two, Groups([items[i]["cluster"] for i in chosen]))
                row |= {k: change[k] for k in ("difference", "low", "high")}
            out.append(row)
    return out or None


def steering(v: Verifier, axis: Json) -> Json:
    """Clause 15.1a: which items moved which way, and what is the luck of sampling."""
    claim, arms = axis["claim"], ("baseline", f"{axis['id']}/target")
    k = v.samples(claim["measure"]["evaluation"])
    cells = [v.each(claim["measure"], arm) for arm in arms]
    items = [[c[i : i + k] for i in range(0, len(c), k)] for c in cells]
    told = [(a, b) for a, b in zip(*items, strict=True) if None not in a + b]
    moved = [sum(b) - sum(a) for a, b in told]
    wanted = (claim["direction"] == "up") == (claim["kind"] == "effect")
    signs = [sum(m > 0 for m in moved), sum(m < 0 for m in moved)]
    toward, against = signs if wanted else reversed(signs)
    found: Json = {"toward": toward, "against": against, "unmoved": moved.count(0)}
    if len(told) < len(items[0]):
        found["unanswered"] = len(items[0]) - len(told)
    if k > 1:
        whole = zip(*told, strict=True)
        found["spread"] = [_spread(a, list(each)) for a, each in zip(arms, whole, strict=True)]
    return found


def _spread(arm: str, items: list[list[bool]]) -> Json:
    rates = [sum(column) / len(items) for column in zip(*items, strict=True)]
    return {
        "arm": arm,
        "rates": rates,
        "deviation": stdev(rates),
        "within": fmean(variance(map(int, each)) for each in items),
        "between": variance(sum(each) / len(each) for each in items),
    }


def decision(v: Verifier, axes: list[Json]) -> Json:
    """Clause 15.5."""
    by_name, rules = {a["axis"]: a for a in axes}, v.plan["decision"]["rules"]
    level, determined, given, missed = v.plan["statistics"]["level"], [], None, []
    for i, rule in enumerate(rules):
        reasons = [
            f"the claim of {name} does not hold"
            for name in rule["claims"]
            if not by_name[name]["claim"]["holds"]
        ]
        if "rate_at_most" in rule and rule["axis"] in v.featureless:
            reasons.append(f"{rule['axis']} has no treated rate: no feature was found")
        elif "rate_at_most" in rule:
            limit, target = rule["rate_at_most"], f"{rule['axis']}/target"
            rate = next(r for r in by_name[rule["axis"]]["rates"] if r["arm"] == target)
            if "clustered" in rate:
                share, effective = (
                    rate["counted"] / rate["items"],
                    rate["clustered"]["effective"],
                )
                low, high = korn_graubard(share, effective, 1 - level)
            else:
                low, high = figures.clopper_pearson(rate["counted"], rate["items"], level, 1)
            side = "below" if high <= limit else "reached" if low > limit else "cannot_rule_out"
            determined.append(
                {"rule": i, "axis": rule["axis"], "low": low, "high": high, "threshold": limit}
                | {"determination": side}
            )
            if high > limit:
                reasons.append(
                    f"the treated rate of {rule['axis']} may be {sentences.percent(high)}, "
                    f"more than {sentences.percent(limit)}"
                )
        if not reasons and given is None:
            given = {"tier": rule["tier"], "rule": i, "reason": rule["text"]}
        missed.append(f"rule {i} ({rule['tier']}) does not apply: {'; '.join(reasons)}")
    if given is None:
        given = {"tier": v.plan["decision"]["otherwise"]}
        given["reason"] = ". ".join(missed) or "no rules"
    return given | ({"determinations": determined} if determined else {})
