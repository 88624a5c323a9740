"""Clause 10.1: which arms a plan has, and in what order."""

import hashlib

from tests.spec.second.container import demand
from tests.spec.second.draws import SPLITS
from tests.spec.second.json_types import Json

NAMED = ("target", "sham", "reconstruction", "opposite", "best_of")


def candidates(axis: Json) -> list[Json]:
    """The edits that are tried on an axis."""
    return [axis["candidate"], *axis.get("alternatives", [])]


def is_dropped(axis: Json) -> bool:
    """Clause 13.1c: whether edits are made on the reconstruction alone."""
    return axis["candidate"].get("error_policy") == "none"


class Planned:
    """What follows from the plan alone, and from which axes have a feature."""

    plan: Json
    featureless: set[str]

    def dictionary(self, axis: Json) -> Json:
        """Clause 5.6: the dictionary of an axis, or its stack as the one that it makes."""
        known = {d["id"]: d for d in self.plan["dictionaries"]}
        for stack in self.plan.get("stacks", []):
            if stack["id"] == axis["dictionary"]:
                parts = [known[part] for part in stack["parts"]]
                layers = [part["layer"] for part in parts]
                kinds = {(part["equation"], part["site"]) for part in parts}
                ascending = layers == sorted(set(layers))
                demand(ascending and len(kinds) == 1, "5.6", "a stack of unlike parts")
                digests = ",".join(f'"{part["manifest_digest"]}"' for part in parts)
                whole = hashlib.sha256(f"[{digests}]".encode()).hexdigest()
                own = {"id": stack["id"], "layers": layers, "manifest_digest": whole}
                return parts[0] | own | {"stacked": True}
        return known[axis["dictionary"]]

    def arms_of(self, evaluation: str) -> list[tuple[str, str]]:
        """Clause 10.1: the cells of an evaluation, arm and split."""
        cells = [("baseline", split) for split in SPLITS]
        for axis in self.plan["axes"]:
            if axis["id"] in self.featureless:
                continue
            main = [m["measure"]["evaluation"] for m in [axis["claim"], *axis["mediators"]]]
            sides = [m["measure"]["evaluation"] for m in self.side_effects(axis)]
            main += [
                e["measure"]["evaluation"]
                for e in axis["side_effects"]
                if self.is_damage(axis, e)
            ]
            arms = []
            if axis["dose_rule"]["measure"]["evaluation"] == evaluation:
                series = [arms for _, arms in self.series_of(axis)]
                tuning = [arm for arms in series for arm in arms] + self.gauges(axis)
                cells += [(arm, "tuning") for arm in tuning]
            if evaluation in main + sides:
                arms = self.named(axis)
            if evaluation in main:
                arms = arms + self.numbered(axis)
            cells += [(arm, "held_out") for arm in arms]
        return cells

    def series_of(self, axis: Json) -> list[tuple[tuple[int, int], list[str]]]:
        """Clause 14.1a: the arms of every series, by set (0: the target) and candidate."""
        a = axis["id"]
        owners = [a, *(f"{a}/best_of/{c:02}" for c in range(self.plan["controls"]["best_of"]))]
        found = []
        for k, candidate in enumerate(candidates(axis)):
            for c, start in enumerate(owners):
                name = f"{start}/alternative/{k:02}/dose" if k else f"{start}/dose"
                arms = [f"{name}/{i:02}" for i in range(len(candidate["doses"]))]
                found.append(((c, k), arms))
        return found

    def gauges(self, axis: Json) -> list[str]:
        """Clause 13.1b: the arms that tell what gain a control needs."""
        operations = {c["operation"] for c in candidates(axis)} - {"add"}
        controls = [arm for arm in self.named(axis) if arm.endswith("/difference_in_means")]
        controls += self.numbered(axis)
        if "project_out" not in operations:
            live = f"{axis['id']}/random_live/"
            controls = [arm for arm in controls if operations and arm.startswith(live)]
        return [arm.replace("/", "/gauge/", 1) for arm in controls]

    def named(self, axis: Json) -> list[str]:
        """The held-out arms without a number."""
        simpler = axis.get("baselines", {})
        more = ["difference_in_means"] if simpler.get("difference_in_means") else []
        more += ["prompt"] if "prefix" in simpler else []
        more += ["system_prompt"] if "system" in simpler else []
        more += ["refusal_direction"] if "refusal_direction" in simpler else []
        return [f"{axis['id']}/{name}" for name in [*NAMED, *more]]

    def families(self) -> dict[str, int]:
        """The control families and their sizes."""
        controls = self.plan["controls"]
        counts = {
            "random_live": controls["random_live_features"],
            "random_direction": controls["random_directions"],
            "unrelated_contrast": controls.get("unrelated_contrasts", {}).get("count", 0),
            "shuffled_label": controls.get("shuffled_labels", 0),
            "gaussian": controls.get("gaussian_directions", 0),
        }
        return {family: count for family, count in counts.items() if count}

    def is_damage(self, axis: Json, effect: Json) -> bool:
        """Clause 15.2b: whether all arms have the measure of a side effect."""
        asked = axis.get("matched_degradation", {})
        return asked.get("side_effect") == effect["id"]

    def numbered(self, axis: Json) -> list[str]:
        """The held-out arms with a number."""
        counts = self.families().items()
        return [f"{axis['id']}/{family}/{i:02}" for family, n in counts for i in range(n)]

    def side_effects(self, axis: Json) -> list[Json]:
        """Side effects of an axis, other axes' rates after its own (clause 15.4b)."""
        axes = {a["id"]: a for a in self.plan["axes"]}
        others = [
            {
                **other,
                "id": f"off_target.{other['axis']}",
                "title": f"Off target, {axes[other['axis']]['title']}",
                "measure": axes[other["axis"]]["claim"]["measure"],
            }
            for other in axis.get("off_target", [])
        ]
        return [*axis["side_effects"], *others]
