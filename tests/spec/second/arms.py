"""Clause 13: every arm with its features, its dose and its direction."""

import math

from tests.spec.second import directions
from tests.spec.second.beside import words
from tests.spec.second.directions import Pooled
from tests.spec.second.draws import Stream, seed_of
from tests.spec.second.json_types import Json, Row
from tests.spec.second.verifier import Verifier

Spec = tuple[str, str, list[int], float]
"""Name, role, features or pair, and dose."""


def arm_specs(
    v: Verifier, axis: Json, search: Json, pooled: Pooled, series: list[Json], best: int
) -> Json:
    """Every arm of an axis, tuning first."""
    a = axis["id"]
    target = sorted(f["feature"] for f in search["features"])
    decoder = dict(zip(v.tensors[f"{a}.features"], v.tensors.rows(f"{a}.w_dec"), strict=True))
    pool = v.tensors.rows(f"{a}.pool")
    norm = float(f"{math.fsum(math.hypot(*row) for row in pool) / len(pool):.6g}")
    sets = _random_sets(v, a, target, pooled)
    along = directions.of_features(target, decoder)
    pairs = directions.pairs(
        pool, along, v.families()["random_direction"], v.seed, f"{a}/random_direction"
    )
    specs = _tuning(axis, target, sets["best_of"])
    dose = series[0]["chosen"]
    specs += [("target", "target", target, dose), ("sham", "sham", target, 0)]
    specs += [
        ("reconstruction", "reconstruction", [], 0),
        ("opposite", "opposite", target, -dose),
    ]
    specs.append(("best_of", "best_of", sets["best_of"][best], series[1 + best]["chosen"]))
    names = [arm.rpartition("/")[2] for arm in v.named(axis)[5:]]
    specs += [(name, name, [], 0 if name == "prompt" else dose) for name in names]
    for family, drawn in (("random_live", sets["random_live"]), ("random_direction", pairs)):
        specs += [(f"{family}/{i:02}", family, each, dose) for i, each in enumerate(drawn)]
    for family in ("unrelated_contrast", "shuffled_label", "gaussian"):
        count = v.families().get(family, 0)
        specs += [(f"{family}/{i:02}", family, [], dose) for i in range(count)]
    return {
        "arms": [_arm(v, axis, spec, norm) for spec in specs],
        "directions": [_direction(v, axis, spec, decoder, pool) for spec in specs],
        "unit_norm": norm,
        "target": target,
        "dose": dose,
    }


def _random_sets(
    v: Verifier, a: str, target: list[int], pooled: Pooled
) -> dict[str, list[list[int]]]:
    controls = v.plan["controls"]
    live = [f for f in pooled.dense(controls["minimum_density"]) if f not in target]
    counts = {"best_of": controls["best_of"], "random_live": controls["random_live_features"]}
    return {
        family: directions.feature_sets(live, len(target), count, v.seed, f"{a}/{family}")
        for family, count in counts.items()
    }


def _tuning(axis: Json, target: list[int], sets: list[list[int]]) -> list[Spec]:
    doses = list(enumerate(axis["candidate"]["doses"]))
    specs: list[Spec] = [(f"dose/{i:02}", "dose", target, d) for i, d in doses]
    for c, features in enumerate(sets):
        start = f"best_of/{c:02}/dose"
        specs += [(f"{start}/{i:02}", "best_of_dose", features, d) for i, d in doses]
    return specs


def _arm(v: Verifier, axis: Json, spec: Spec, norm: float) -> Json:
    name, role, features, dose = spec
    arm = {"id": f"{axis['id']}/{name}", "role": role, "dose": dose, "coefficient": dose * norm}
    arm["features"] = [] if role == "random_direction" else features
    if role == "random_direction":
        arm["pool_pair"] = features
    if role in ("shuffled_label", "gaussian"):
        arm["seed"] = seed_of(v.seed, str(arm["id"]))
    if role == "unrelated_contrast":
        arm["word"] = _words(v, axis)[int(name[-2:])]
    if role == "prompt":
        arm["prefix"] = axis["baselines"]["prefix"]
    tuning = role in ("dose", "best_of_dose")
    measure = (axis["dose_rule"] if tuning else axis["claim"])["measure"]
    done = v.realised(measure, str(arm["id"]), "tuning" if tuning else "held_out")
    if done is not None:
        arm["realised"], arm["relative"] = done
    return arm


def _direction(
    v: Verifier, axis: Json, spec: Spec, decoder: dict[int, Row], pool: list[Row]
) -> Row:
    name, role, features, _ = spec
    contrast, a = axis["selection"]["contrast"], axis["id"]
    items = v.items[contrast["dataset"], "discovery"]
    labels = [i[contrast["label"]] == contrast["positive"] for i in items]
    if role == "random_direction":
        return directions.of_pair(features, pool)
    if role == "gaussian":
        return directions.gaussian(seed_of(v.seed, f"{a}/{name}"), len(pool[0]))
    if role == "unrelated_contrast":
        word, own = _words(v, axis)[int(name[-2:])], _own(v, axis)
        holds = [word in words for words in _prompts(v)]
        table = f"{a}.unrelated" if own is None else f"{a}.means"
        return directions.of_means(v.tensors.rows(table), holds, own)
    if role in ("difference_in_means", "shuffled_label"):
        means, new = v.tensors.rows(f"{a}.means"), labels
        if role == "shuffled_label":
            new = directions.shuffled(seed_of(v.seed, f"{a}/{name}"), labels)
        return directions.of_means(means, new, None if new is labels else labels)
    return directions.of_features(features, decoder) if features else (0.0,) * len(pool[0])


def _prompts(v: Verifier) -> list[set[str]]:
    dataset = v.plan["controls"]["unrelated_contrasts"]["dataset"]
    return [set(words(item["prompt"])) for item in v.items[dataset, "discovery"]]


def _own(v: Verifier, axis: Json) -> list[bool] | None:
    """The labels inside whose classes differences are taken, if the prompts are the same."""
    contrast = axis["selection"]["contrast"]
    if v.plan["controls"]["unrelated_contrasts"]["dataset"] != contrast["dataset"]:
        return None
    items = v.items[contrast["dataset"], "discovery"]
    return [i[contrast["label"]] == contrast["positive"] for i in items]


def _words(v: Verifier, axis: Json) -> list[str]:
    rule = v.plan["controls"]["unrelated_contrasts"]
    found = directions.drawn_words(_prompts(v), _own(v, axis), rule)
    stream = Stream(v.seed, f"{axis['id']}/unrelated_contrast")
    return [found[place] for place in stream.sample(len(found), rule["count"])]
