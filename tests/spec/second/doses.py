"""Clause 14: series of doses, what is chosen on them, and their trends."""

from tests.spec.second import figures
from tests.spec.second.json_types import Json
from tests.spec.second.planned import candidates
from tests.spec.second.verifier import Verifier


def every_series(v: Verifier, axis: Json) -> dict[tuple[int, int], Json]:
    """Every series of an axis by set (0: the target) and candidate, set by set."""
    tried = candidates(axis)
    found = {place: series(v, axis, tried[place[1]], arms) for place, arms in v.series_of(axis)}
    return dict(sorted(found.items()))


def taken(found: dict[tuple[int, int], Json], owner: int) -> int:
    """Clause 14.1a: the candidate that a set of features takes."""
    own = [k for c, k in found if c == owner]
    return min(own, key=lambda k: (not found[owner, k]["ok"], -found[owner, k]["effect"], k))


def best_set(found: dict[tuple[int, int], Json]) -> int:
    """Clause 14.1: the best-of set that goes to held-out."""
    sets = sorted({c for c, _ in found if c})
    return max(sets, key=lambda c: (found[c, taken(found, c)]["effect"], -c))


def stated(axis: Json, found: dict[tuple[int, int], Json]) -> list[Json]:
    """The field `dose_response`."""
    return [
        {k: x for k, x in one.items() if k not in ("effect", "ok")}
        | {"arm": f"{axis['id']}/{'best_of' if c else 'target'}"}
        | ({"candidate": k} if k else {})
        for (c, k), one in found.items()
    ]


def series(v: Verifier, axis: Json, candidate: Json, arms: list[str]) -> Json:
    """Clause 14: a series of doses, its choice and its trend."""
    rule, doses = axis["dose_rule"], candidate["doses"]
    table = [v.counts(rule["measure"], arm, "tuning") for arm in arms]
    incoherent = {**rule["measure"], "outcomes": ["incoherent"]}
    broken = [sum(v.counts(incoherent, arm, "tuning", missing=True)) for arm in arms]
    items, zero = len(table[0]), doses.index(0)
    sign = {"negative": -1, "positive": 1, "either": 0}[rule["sign"]]
    way = 1 if rule["direction"] == "up" else -1
    effects = [way * (sum(row) - sum(table[zero])) / items for row in table]
    eligible = [i for i, d in enumerate(doses) if d and (not sign or d * sign > 0)]
    admissible = [
        i for i in eligible if (broken[i] - broken[zero]) / items <= rule["incoherent_at_most"]
    ]
    best = max((effects[i] for i in admissible), default=0)
    asked = best * rule["share_of_best"] if best > 0 else best
    enough = [i for i in admissible if effects[i] >= asked] or eligible
    picked = min(enough, key=lambda i: (abs(doses[i]), i))
    way_there = sorted((abs(d), i) for i, d in enumerate(doses) if 0 <= d / doses[picked] <= 1)
    risen = [effects[i] for _, i in way_there]
    return {
        "effect": effects[picked],
        "ok": picked in admissible,
        "monotone": risen == sorted(risen),
        "chosen": doses[picked],
        "points": [
            {
                "arm": arm,
                "dose": dose,
                "counted": sum(row),
                "incoherent": bad,
                "items": items,
                "admissible": i in admissible,
            }
            for i, (arm, dose, row, bad) in enumerate(
                zip(arms, doses, table, broken, strict=True)
            )
        ],
        "trend": trend(v, rule["measure"]["evaluation"], doses, table),
    }


def trend(v: Verifier, evaluation: str, doses: list[float], table: list[list[bool]]) -> Json:
    """Clause 14.2."""
    order = sorted(range(len(doses)), key=doses.__getitem__)
    groups = v.groups(evaluation, "tuning")
    sums = zip(*(groups.sums(table[i]) for i in order), strict=True)
    telling = [list(map(int, row)) for row in sums if len(set(row)) > 1]
    is_exact = len(telling) <= 2000 and max(map(max, telling), default=0) <= 1
    shift, p = (figures.trend if is_exact else figures.trend_of_clusters)(telling)
    return {
        "direction": "rising" if shift > 0 else "falling" if shift < 0 else "flat",
        "p": float(p),
        "method": "exact" if is_exact else "normal",
    }
