"""Clause 13: every arm with its features, its dose and its direction."""

import math
from dataclasses import dataclass, replace

from tests.spec.second import directions, doses
from tests.spec.second.beside import words
from tests.spec.second.classes import classed, classes
from tests.spec.second.directions import Pooled
from tests.spec.second.draws import Stream, seed_of
from tests.spec.second.json_types import Json, Row
from tests.spec.second.planned import candidates
from tests.spec.second.verifier import Verifier

OF_FEATURES = {"target", "sham", "opposite", "best_of", "dose", "best_of_dose", "random_live"}
BETWEEN_CLASSES = {
    "unrelated_contrast",
    "difference_in_means",
    "shuffled_label",
    "refusal_direction",
}
SAID = {"prompt": "prefix", "system_prompt": "system"}
WITHOUT_EDIT = {"reconstruction", *SAID}
KEEPING = {"sham", "refusal_direction", *WITHOUT_EDIT}
"""Clause 13.1c: the roles of arms without an error policy."""


@dataclass(frozen=True)
class Spec:
    """What the plan and the choices make of an arm."""

    name: str
    role: str
    features: list[int]
    """Or the pair of rows of the pool."""
    dose: float
    candidate: int
    control: str = ""
    """The role that a gauge tells of; else the arm's own."""

    @property
    def acts_as(self) -> str:
        """The role that says what is done."""
        return self.control or self.role


def arm_specs(v: Verifier, axis: Json, edited: set[int], pooled: Pooled, series: Json) -> Json:
    """Every arm of an axis that edits these features, tuning first."""
    a, target = axis["id"], sorted(edited)
    decoder = dict(zip(v.tensors[f"{a}.features"], v.tensors.rows(f"{a}.w_dec"), strict=True))
    pool = v.tensors.rows(f"{a}.pool")
    norm = float(f"{math.fsum(math.hypot(*row) for row in pool) / len(pool):.6g}")
    units = [norm if c["unit"] == "residual_norm_fraction" else 1 for c in candidates(axis)]
    sets = _random_sets(v, axis, target, pooled)
    along = directions.of_features(target, decoder)
    pairs = directions.pairs(
        pool, along, v.families()["random_direction"], v.seed, f"{a}/random_direction"
    )
    k, best = doses.taken(series, 0), doses.best_set(series)
    dose, k_best = series[0, k]["chosen"], doses.taken(series, best)
    drawn = {"random_live": sets["random_live"], "random_direction": pairs}
    numbered = [
        Spec(f"{family}/{i:02}", family, drawn[family][i] if family in drawn else [], dose, k)
        for family, count in v.families().items()
        for i in range(count)
    ]
    add = candidates(axis)[k]["operation"] == "add"
    held_out = [
        Spec("target", "target", target, dose, k),
        Spec("sham", "sham", target, 0, k),
        Spec("reconstruction", "reconstruction", [], 0, k),
        Spec("opposite", "opposite", target, -dose if add else dose, k),
        Spec(
            "best_of",
            "best_of",
            sets["best_of"][best - 1],
            series[best, k_best]["chosen"],
            k_best,
        ),
    ]
    names = [arm.rpartition("/")[2] for arm in v.named(axis)[5:]]
    own = dict.fromkeys(SAID, 0) | {"refusal_direction": 1 if _refusal(axis) == "add" else -1}
    held_out += [Spec(n, n, [], own.get(n, dose), k) for n in names] + numbered
    by_name = {spec.name: spec for spec in held_out}
    gauges = [arm.partition("/gauge/")[2] for arm in v.gauges(axis)]
    specs = _tuning(v, axis, target, sets["best_of"])
    specs += [
        replace(by_name[n], name=f"gauge/{n}", role="gauge", control=by_name[n].role)
        for n in gauges
    ]
    specs += held_out
    arms = [_arm(v, axis, spec, units, k) for spec in specs]
    return {
        "arms": arms,
        "directions": [_direction(v, axis, spec, decoder, pool) for spec in specs],
        "unit_norm": units[k],
        "candidate": k,
        "target": target,
        "dose": dose,
        "units": [pooled.largest(f) for f in target]
        if candidates(axis)[k]["unit"] == "max_activation_multiple"
        else [1.0] * len(target),
    }


def _random_sets(
    v: Verifier, axis: Json, target: list[int], pooled: Pooled
) -> dict[str, list[list[int]]]:
    controls, least = v.plan["controls"], 0.0
    if {c["operation"] for c in candidates(axis)} & {"scale", "ablate", "clamp"}:
        least = min(pooled.density(f) for f in target) / 2
    live = [f for f in pooled.dense(controls["minimum_density"]) if f not in target]
    live = [f for f in live if pooled.density(f) >= least]
    counts = {"best_of": controls["best_of"], "random_live": controls["random_live_features"]}
    widths = v.tensors[f"{axis['id']}.width"]
    drawn_of, wanted = (directions.parts(each, widths) for each in (live, target))
    pools = [
        ([f for f, n in zip(live, drawn_of, strict=True) if n == part], wanted.count(part))
        for part in range(len(widths))
    ]
    return {
        family: directions.feature_sets(pools, count, v.seed, f"{axis['id']}/{family}")
        for family, count in counts.items()
    }


def _tuning(v: Verifier, axis: Json, target: list[int], sets: list[list[int]]) -> list[Spec]:
    specs = []
    for (c, k), arms in v.series_of(axis):
        role, features = ("best_of_dose", sets[c - 1]) if c else ("dose", target)
        for arm, dose in zip(arms, candidates(axis)[k]["doses"], strict=True):
            specs.append(Spec(arm.partition("/")[2], role, features, dose, k))
    return specs


def _operation(axis: Json, spec: Spec) -> str | None:
    """Clauses 13.1a and 13.1b: what an arm does; none without an edit."""
    own = str(candidates(axis)[spec.candidate]["operation"])
    if spec.acts_as in WITHOUT_EDIT:
        return None
    if spec.role == "refusal_direction":
        return _refusal(axis)
    return own if spec.acts_as in OF_FEATURES or own == "project_out" else "add"


def _refusal(axis: Json) -> str | None:
    """Clause 13.3a: what is done with the refusal direction; none where none is asked for."""
    asked = axis.get("baselines", {}).get("refusal_direction")
    return None if asked is None else str(asked["operation"])


def _six(x: float) -> float:
    return float(f"{x:.6g}")


def _arm(v: Verifier, axis: Json, spec: Spec, units: list[float], taken: int) -> Json:
    a, own = axis["id"], candidates(axis)[spec.candidate]["operation"]
    operation = _operation(axis, spec)
    arm: Json = {"id": f"{a}/{spec.name}", "role": spec.role, "dose": spec.dose}
    arm["coefficient"] = spec.dose * units[spec.candidate]
    is_pair = spec.acts_as == "random_direction"
    arm["features"] = [] if is_pair else spec.features
    if is_pair:
        arm["pool_pair"] = spec.features
    if spec.acts_as in ("shuffled_label", "gaussian"):
        arm["seed"] = seed_of(v.seed, f"{a}/{_control(spec)}")
    if spec.acts_as == "unrelated_contrast":
        arm["word"] = _words(v, axis)[int(spec.name[-2:])]
    if spec.role in SAID:
        arm[SAID[spec.role]] = axis["baselines"][SAID[spec.role]]
    if spec.candidate:
        arm["candidate"] = spec.candidate
    if spec.role == "refusal_direction":
        arm |= _at_its_own_size(v, axis, {str(own), str(operation)})
    elif own != "add" and operation is not None:
        arm["operation"] = operation
        _match(v, axis, spec, arm, taken)
    return arm | _policy(axis, spec) | _done(v, axis, spec)


def _policy(axis: Json, spec: Spec) -> Json:
    """Clause 13.1c: what an arm states of the dictionary's error."""
    asked = axis["candidate"].get("error_policy")
    return {"error_policy": asked} if asked and spec.role not in KEEPING else {}


def _done(v: Verifier, axis: Json, spec: Spec) -> Json:
    """Clause 13.4: the size of what was done, where something was."""
    tuning = spec.role in ("dose", "best_of_dose", "gauge")
    measure = (axis["dose_rule"] if tuning else axis["claim"])["measure"]
    arm = f"{axis['id']}/{spec.name}"
    done = v.realised(measure, arm, "tuning" if tuning else "held_out")
    return {} if done is None else dict(zip(("realised", "relative"), done, strict=True))


def _at_its_own_size(v: Verifier, axis: Json, operations: set[str]) -> Json:
    """Clause 13.3a: what is said of the arm of a refusal direction, beside an axis's own."""
    asked = axis["baselines"]["refusal_direction"]
    length = directions.distance_of_means(*_last_tokens(v, axis))
    said = {"coefficient": _six(length) if asked["operation"] == "add" else -1}
    said |= {"operation": asked["operation"]} if operations != {"add"} else {}
    return said | ({"layers": asked["layers"]} if "layers" in asked else {})


def _control(spec: Spec) -> str:
    return spec.name.removeprefix("gauge/")


def _match(v: Verifier, axis: Json, spec: Spec, arm: Json, k: int) -> None:
    """Clause 13.1b: the gain of an arm, or the size of what it adds."""
    a, measure = axis["id"], axis["dose_rule"]["measure"]
    if spec.role == "opposite":
        arm["gain"] = -1
    if spec.acts_as in OF_FEATURES - {"random_live"}:
        return
    start = f"{a}/alternative/{k:02}/dose" if k else f"{a}/dose"
    place = candidates(axis)[k]["doses"].index(spec.dose)
    aim = _six((v.realised(measure, f"{start}/{place:02}", "tuning") or (0.0,))[0])
    if arm["operation"] == "add":
        arm["coefficient"] = math.copysign(aim, spec.dose)
    elif spec.role != "gauge":
        gauge = f"{a}/gauge/{spec.name}"
        own = _six((v.realised(measure, gauge, "tuning") or (0.0,))[0])
        gain = _six(aim / own) if own else 1
        if gain != 1:
            arm["gain"] = gain


def _direction(
    v: Verifier, axis: Json, spec: Spec, decoder: dict[int, Row], pool: list[Row]
) -> Row:
    name, role, features = _control(spec), spec.acts_as, spec.features
    if role == "random_direction":
        return directions.of_pair(features, pool)
    if role == "gaussian":
        return directions.gaussian(seed_of(v.seed, f"{axis['id']}/{name}"), len(pool[0]))
    if role in BETWEEN_CLASSES:
        return _between_classes(v, axis, spec)
    if not features or _operation(axis, spec) != "add":
        return (0.0,) * len(pool[0])
    return directions.of_features(features, decoder)


def _between_classes(v: Verifier, axis: Json, spec: Spec) -> Row:
    a, contrast = axis["id"], axis["selection"]["contrast"]
    if spec.role == "refusal_direction":
        return directions.of_means(*_last_tokens(v, axis))
    if spec.acts_as == "unrelated_contrast":
        word, own = _words(v, axis)[int(spec.name[-2:])], _own(v, axis)
        holds = [word in words for words in _prompts(v, axis)]
        if own is None:
            return directions.of_means(v.tensors.rows(f"{a}.unrelated"), holds)
        means, _ = classed(v, contrast, v.tensors.rows(f"{a}.means"))
        return directions.of_means(means, holds, own)
    means, labels = classed(v, contrast, v.tensors.rows(f"{a}.means"))
    if spec.acts_as == "shuffled_label":
        new = directions.shuffled(seed_of(v.seed, f"{a}/{_control(spec)}"), labels)
        return directions.of_means(means, new, labels)
    return directions.of_means(means, labels)


def _last_tokens(v: Verifier, axis: Json) -> tuple[list[Row], list[bool]]:
    """Activations at the last tokens of a refusal direction's prompts, and their classes."""
    contrast = axis["baselines"]["refusal_direction"]["contrast"]
    return classed(v, contrast, v.tensors.rows(f"{axis['id']}.refusal"))


def _prompts(v: Verifier, axis: Json) -> list[set[str]]:
    """The words of the prompts compared, without those of no class if they are the axis's."""
    dataset = v.plan["controls"]["unrelated_contrasts"]["dataset"]
    prompts = [set(words(item["prompt"])) for item in v.items[dataset, "discovery"]]
    if _own(v, axis) is None:
        return prompts
    own = classes(v, axis["selection"]["contrast"], "discovery")
    return [p for p, c in zip(prompts, own, strict=True) if c is not None]


def _own(v: Verifier, axis: Json) -> list[bool] | None:
    """The labels inside whose classes differences are taken, if the prompts are the same."""
    contrast = axis["selection"]["contrast"]
    if v.plan["controls"]["unrelated_contrasts"]["dataset"] != contrast["dataset"]:
        return None
    return [c for c in classes(v, contrast, "discovery") if c is not None]


def _words(v: Verifier, axis: Json) -> list[str]:
    rule = v.plan["controls"]["unrelated_contrasts"]
    found = directions.drawn_words(_prompts(v, axis), _own(v, axis), rule)
    stream = Stream(v.seed, f"{axis['id']}/unrelated_contrast")
    return [found[place] for place in stream.sample(len(found), rule["count"])]
