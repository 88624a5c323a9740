"""Clauses 11.2d and 15.6: people's labels, and what they say of a grader."""

import math
from collections import Counter
from statistics import NormalDist

from tests.spec.second import figures
from tests.spec.second.container import demand
from tests.spec.second.draws import Stream
from tests.spec.second.json_types import Json
from tests.spec.second.verifier import Verifier


def measures_of(v: Verifier, axis: Json) -> list[Json]:
    """What is counted on an axis: claim, dose rule, side effects, mediators."""
    asked = [axis["claim"], axis["dose_rule"], *v.side_effects(axis), *axis["mediators"]]
    return [one["measure"] for one in asked]


def drawn(v: Verifier, evaluation: str, rule: Json) -> list[tuple[str, str]]:
    """Clause 11.2d: the answers that people label, as arm and item."""
    items = v.items[v.evaluations[evaluation]["dataset"], "held_out"]
    places = Stream(v.seed, f"{evaluation}/labels").sample(
        len(items), min(rule["per_arm"], len(items))
    )
    arms = ["baseline"]
    for axis in v.plan["axes"]:
        asks = evaluation in [m["evaluation"] for m in measures_of(v, axis)]
        arms += [f"{axis['id']}/target"] if asks else []
    held = {a for e, a, split in v.outcomes if e == evaluation and split == "held_out"}
    return [
        (arm, items[place]["item"])
        for arm in arms
        if arm in held
        for place in sorted(places)
        if outcome_of(v, evaluation, arm, items[place]["item"]) is not None
    ]


def outcome_of(v: Verifier, evaluation: str, arm: str, item: str) -> str | None:
    """The grade of the first sample of a held-out item."""
    asked = v.asked(evaluation, "held_out")
    cell = v.outcomes[evaluation, arm, "held_out"]
    found = {i["item"]: o for (i, sample), o in zip(asked, cell, strict=True) if not sample}
    return found[item]


def votes_on(v: Verifier) -> dict[str, dict[tuple[str, str], list[str]]]:
    """Clause 11.2d: what raters say of every answer drawn, by evaluation; refuse other rows."""
    rows, at = v.tables.get("human_labels", []), 0
    found: dict[str, dict[tuple[str, str], list[str]]] = {}
    for e, evaluation in v.evaluations.items():
        rule = evaluation["measure"].get("labels")
        if rule is None or not rows:
            continue
        found[e] = {}
        for arm, item in drawn(v, e, rule):
            own = rows[at : at + rule["raters"]]
            at += rule["raters"]
            keys = {(r["evaluation"], r["arm"], r["item"], r["sample"]) for r in own}
            demand(keys == {(e, arm, item, 0)}, "11.2d", f"labels of {arm} {item}")
            demand(len({r["rater"] for r in own}) == len(own), "11.2d", "a rater twice")
            found[e][arm, item] = [r["outcome"] for r in own]
    demand(at == len(rows), "11.2d", "labels too many")
    return found


def calibrations(v: Verifier) -> list[Json] | None:
    """Clause 15.6: of every labelled evaluation, its arms measure by measure."""
    out = []
    for e, votes in votes_on(v).items():
        pairs: list[tuple[Json, str]] = []
        for axis in v.plan["axes"]:
            own = [m for m in measures_of(v, axis) if m["evaluation"] == e]
            pairs += [(m, arm) for m in own for arm in ("baseline", f"{axis['id']}/target")]
        found = []
        for n, (measure, arm) in enumerate(pairs):
            given = {item: said for (a, item), said in votes.items() if a == arm}
            if given and (measure, arm) not in pairs[:n]:
                found.append(_calibration(v, measure, arm, given))
        out.append({"evaluation": e, "arms": found})
    return out or None


def _calibration(v: Verifier, measure: Json, arm: str, votes: dict[str, list[str]]) -> Json:
    cells: Counter[tuple[bool, bool]] = Counter()
    confusion: Counter[tuple[str, str]] = Counter()
    divided = 0
    for item, given in votes.items():
        grade = outcome_of(v, measure["evaluation"], arm, item) or ""
        graded, yes = grade in measure["outcomes"], sum(o in measure["outcomes"] for o in given)
        even = 2 * yes == len(given)
        divided += even
        cells[graded, (not graded) if even else 2 * yes > len(given)] += 1
        most, times = Counter(given).most_common(1)[0]
        confusion[most if 2 * times > len(given) else "divided", grade] += 1
    both, only, missed, neither = (
        cells[pair] for pair in ((True, True), (True, False), (False, True), (False, False))
    )
    level = v.plan["statistics"]["level"]
    return {
        "arm": arm,
        "measure": measure,
        "answers": len(votes),
        "both": both,
        "grader_only": only,
        "people_only": missed,
        "neither": neither,
        "divided": divided,
        "sensitivity": _share(both, both + missed, level),
        "specificity": _share(neither, neither + only, level),
        "kappa": _kappa(both, only, missed, neither),
        "corrected": _corrected(v, measure, arm, (both, missed, neither, only)),
        "confusion": [
            {"people": people, "grader": grader, "answers": n}
            for (people, grader), n in sorted(confusion.items())
        ],
    }


def _share(k: int, n: int, level: float) -> Json:
    if not n:
        kind = "labels: expected answers of this kind, found none among those labelled."
        return {"reason": kind}
    low, high = figures.clopper_pearson(k, n, level)
    return {"counted": k, "answers": n, "low": low, "high": high}


def _kappa(both: int, only: int, missed: int, neither: int) -> Json:
    n = both + only + missed + neither
    chance = (both + only) * (both + missed) + (missed + neither) * (only + neither)
    if chance == n * n:
        kind = "cohens_kappa: expected answers of both kinds, found one kind only."
        return {"reason": kind}
    return ((both + neither) * n - chance) / (n * n - chance)


def _corrected(v: Verifier, measure: Json, arm: str, table: tuple[int, int, int, int]) -> Json:
    both, missed, neither, only = table
    flags = v.each(measure, arm)
    if None in flags:
        found = f"{flags.count(None)} missing"
        return {"reason": f"corrected rate: expected every held-out answer, found {found}."}
    if not both + missed or not neither + only:
        kind = "lang_reiczigel: expected rows, and labels of both kinds, found none."
        return {"reason": kind}
    counted, rows = sum(map(bool, flags)), len(flags)
    z = NormalDist().inv_cdf((1 + v.plan["statistics"]["level"]) / 2)
    n, ones, zeros = rows + z * z, both + missed + 2, neither + only + 2
    seen, se, sp = (counted + z * z / 2) / n, (both + 1) / ones, (neither + 1) / zeros
    if se + sp <= 1:
        start = "lang_reiczigel: expected a grader better than chance, found a sum of"
        return {"reason": f"{start} {se + sp:.4g}."}
    p, v1, v0 = (seen + sp - 1) / (se + sp - 1), se * (1 - se) / ones, sp * (1 - sp) / zeros
    middle = p + 2 * z * z * (p * v1 - (1 - p) * v0)
    half = z * math.sqrt(seen * (1 - seen) / n + p * p * v1 + (1 - p) ** 2 * v0)
    half /= se + sp - 1
    se, sp = both / (both + missed), neither / (neither + only)
    if se + sp <= 1:
        start = "rogan_gladen: expected sensitivity and specificity of a grader better than"
        return {"reason": f"{start} chance, found a sum of {se + sp:.4g}."}
    rate = (counted / rows + sp - 1) / (se + sp - 1)
    return {
        "rate": min(1.0, max(0.0, rate)),
        "low": min(1.0, max(0.0, middle - half)),
        "high": min(1.0, max(0.0, middle + half)),
    }
