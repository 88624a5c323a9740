"""What follows from the rows of a case, axis by axis, as far as this verifier goes."""

import math
from collections.abc import Iterator

from tests.spec.second import directions, figures
from tests.spec.second.clusters import Groups
from tests.spec.second.container import (
    Refused,
    case_id,
    demand,
    manifest,
    members,
    sha256,
    spelled,
    strict,
)
from tests.spec.second.draws import SPLITS, split_of
from tests.spec.second.grading import chosen, grade
from tests.spec.second.json_types import Json, Row
from tests.spec.second.tables import Tensors, rows_of

KINDS = {
    "generate": "generations",
    "choice": "choices",
    "probe": "probes",
    "perplexity": "likelihoods",
}
NAMED = ("target", "sham", "reconstruction", "opposite", "best_of")


class NotCovered(Exception):
    """The case holds something that this verifier was not written for; it judges none of it."""


class Verifier:
    """A case opened, and everything derived from its rows."""

    def __init__(self, data: bytes, schemas: dict[str, dict]) -> None:
        """Clauses 1 to 11: refuse, or grade every row."""
        self.files = members(data)
        self.plan = strict(self.files["plan.json"])
        self.case = strict(self.files["case.json"])
        demand(spelled(self.plan) == self.files["plan.json"], "2.2", "the plan's spelling")
        demand(spelled(self.case) == self.files["case.json"], "2.2", "the record's spelling")
        self.seed = sha256(self.files["plan.json"])
        demand(self.case["plan_digest"] == self.seed, "5.1", "the digest of the plan")
        self.model = manifest(self.case["subject"]["files"])
        demand(
            self.model == self.plan["model"]["manifest_digest"], "3.2", "the model's manifest"
        )
        self.id = case_id(self.files, self.model)
        self.tables = {
            name[9:-6]: rows_of(body, schemas[name[9:-6]])
            for name, body in self.files.items()
            if name.endswith(".jsonl")
        }
        self.tensors = Tensors.__new__(Tensors)
        self.tensors.shapes = {}
        for name, body in self.files.items():
            if name.endswith(".safetensors"):
                some = Tensors(body)
                self.tensors.update(some)
                self.tensors.shapes.update(some.shapes)
        self.evaluations = {e["id"]: e for e in self.plan["evaluations"]}
        self.refuse_what_is_not_known()
        self.directions: dict[str, list[Row]] = {}
        self.split_items()
        self.grade_rows()

    def refuse_what_is_not_known(self) -> None:
        """Cases that this verifier was not written for."""
        unread = {"exclusions", "judgements", "human_labels"} & self.tables.keys()
        kinds = {e["measure"]["kind"] for e in self.plan["evaluations"]} - KINDS.keys()
        axes = [
            a["id"]
            for a in self.plan["axes"]
            if a["candidate"]["operation"] != "add"
            or "alternatives" in a
            or "refusal_direction" in a.get("baselines", {})
        ]
        if unread or kinds or axes:
            raise NotCovered(f"tables, kinds of evaluation, axes: {unread, kinds, axes}")

    def split_items(self) -> None:
        """Clause 9.1, and the items of every dataset and split in order."""
        self.items: dict[tuple[str, str], list[Json]] = {}
        names: set[tuple[str, str]] = set()
        for row in self.tables["items"]:
            name = split_of(row["cluster"], self.seed, self.plan["splits"])
            demand(row["split"] == name, "9.1", f"the split of {row['item']}")
            self.items.setdefault((row["dataset"], name), []).append(row)
            named = (row["dataset"], row["item"])
            demand(named not in names, "6.2", f"{named} occurs twice")
            names.add(named)

    def arms_of(self, evaluation: str) -> list[tuple[str, str]]:
        """Clause 10.1: the cells of an evaluation, arm and split."""
        cells = [("baseline", split) for split in SPLITS]
        for axis in self.plan["axes"]:
            main = [m["measure"]["evaluation"] for m in [axis["claim"], *axis["mediators"]]]
            sides = [m["measure"]["evaluation"] for m in self.side_effects(axis)]
            main += [
                e["measure"]["evaluation"]
                for e in axis["side_effects"]
                if self.is_damage(axis, e)
            ]
            arms = []
            if axis["dose_rule"]["measure"]["evaluation"] == evaluation:
                cells += [(arm, "tuning") for arms in self.series_of(axis) for arm in arms]
            if evaluation in main + sides:
                arms = self.named(axis)
            if evaluation in main:
                arms = arms + self.numbered(axis)
            cells += [(arm, "held_out") for arm in arms]
        return cells

    def series_of(self, axis: Json) -> list[list[str]]:
        """The target's doses, then those of every random set."""
        a, doses = axis["id"], range(len(axis["candidate"]["doses"]))
        sets = [f"{a}/best_of/{c:02}" for c in range(self.plan["controls"]["best_of"])]
        return [[f"{start}/dose/{i:02}" for i in doses] for start in [a, *sets]]

    def named(self, axis: Json) -> list[str]:
        """The held-out arms without a number."""
        simpler = axis.get("baselines", {})
        more = ["difference_in_means"] if simpler.get("difference_in_means") else []
        more += ["prompt"] if "prefix" in simpler else []
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

    def rows_of(self, evaluation: str, arm: str, split: str) -> list[Json]:
        """The rows of a cell."""
        return self.cells[evaluation, arm, split]

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

    def table_of(self, evaluation: str) -> str:
        """The table that the answers of an evaluation stand in."""
        return KINDS[self.evaluations[evaluation]["measure"]["kind"]]

    def probe_of(self, evaluation: str, measure: Json) -> float:
        """Clause 11.4: the threshold of a probe, on its rounded direction."""
        items = self.items[measure["contrast"], "discovery"]
        positive = [i["context"] == measure["positive"] for i in items]
        rows = self.tensors.rows(f"{evaluation}.residuals")
        means = []
        for side in (True, False):
            chosen = [r for r, p in zip(rows, positive, strict=True) if p is side]
            means.append([math.fsum(c) / len(chosen) for c in zip(*chosen, strict=True)])
        direction = directions.single(
            directions.unit([a - b for a, b in zip(*means, strict=True)])
        )
        return math.fsum((a + b) / 2 * d for a, b, d in zip(*means, direction, strict=True))

    def samples(self, evaluation: str) -> int:
        """How many answers an item has."""
        return int(self.evaluations[evaluation]["measure"].get("samples", 1))

    def counted_apart(self, evaluation: str) -> int:
        """How many of them are counted one by one."""
        by_majority = self.evaluations[evaluation]["measure"].get("per_item") == "majority"
        return 1 if by_majority else self.samples(evaluation)

    def asked(self, evaluation: str, split: str) -> Iterator[tuple[Json, int]]:
        """Items and samples of a cell in order."""
        for item in self.items[self.evaluations[evaluation]["dataset"], split]:
            for sample in range(self.samples(evaluation)):
                yield item, sample

    def outcome(self, kind: str, row: Json, item: Json, measure: Json, threshold: float) -> str:
        """Clause 11: the outcome that a row must have."""
        if kind == "probes":
            return "above" if row["score"] > threshold else "below"
        if kind == "likelihoods":
            return "above" if row["nll"] > measure["nll_ceiling"] else "below"
        if kind == "choices":
            return chosen(row)
        coherence, target = self.plan["coherence"], item["target"]
        return grade(row["output"], row["nll"], target, measure["grader"], coherence)

    def grade_rows(self) -> None:
        """Clauses 10.2 and 11: every row in its place, with the outcome that it must have."""
        self.outcomes: dict[tuple[str, str, str], list[str]] = {}
        self.cells: dict[tuple[str, str, str], list[Json]] = {}
        self.norms: dict[tuple[str, str, str], Json] = {}
        at = dict.fromkeys(KINDS.values(), 0)
        for evaluation in self.plan["evaluations"]:
            e, measure = evaluation["id"], evaluation["measure"]
            kind = self.table_of(e)
            threshold = self.probe_of(e, measure) if kind == "probes" else 0.0
            for arm, split in self.arms_of(e):
                outcomes = []
                for item, sample in self.asked(e, split):
                    row = self.tables[kind][at[kind]]
                    at[kind] += 1
                    place = (row["evaluation"], row["arm"], row["item"], row.get("sample", 0))
                    demand(
                        place == (e, arm, item["item"], sample), "10.2", f"{place} is elsewhere"
                    )
                    outcome = self.outcome(kind, row, item, measure, threshold)
                    demand(row["outcome"] == outcome, "11.5", f"the grade of {place}")
                    outcomes.append(outcome)
                    norms = self.norms.setdefault((e, arm, split), [[], [], 0])
                    norms[0].append(row["delta"] * row["edits"])
                    norms[1].append(row["residual"] * row["edits"])
                    norms[2] += row["edits"]
                self.outcomes[e, arm, split] = outcomes
                end = at[kind]
                self.cells[e, arm, split] = self.tables[kind][end - len(outcomes) : end]
        for kind, read in at.items():
            demand(read == len(self.tables.get(kind, [])), "10.2", f"rows too many in {kind}")

    def counts(self, measure: Json, arm: str, split: str = "held_out") -> list[bool]:
        """Which items of a cell count."""
        flags = self.each(measure, arm, split)
        k = self.samples(measure["evaluation"])
        if self.counted_apart(measure["evaluation"]) == k:
            return flags
        return [2 * sum(flags[i : i + k]) > k for i in range(0, len(flags), k)]

    def each(self, measure: Json, arm: str, split: str = "held_out") -> list[bool]:
        """Which answers of a cell count."""
        cell = self.outcomes[measure["evaluation"], arm, split]
        return [outcome in measure["outcomes"] for outcome in cell]

    def rate(self, measure: Json, arm: str) -> Json:
        """Clause 15.1: a rate."""
        counted = self.counts(measure, arm)
        level = self.plan["statistics"]["level"]
        groups = self.groups(measure["evaluation"], "held_out")
        if not groups.alone:
            return {"counted": sum(counted), "items": len(counted)} | groups.rate(
                counted, level
            )
        low, high = figures.clopper_pearson(sum(counted), len(counted), level)
        return {"counted": sum(counted), "items": len(counted), "low": low, "high": high}

    def groups(self, evaluation: str, split: str) -> Groups:
        """The clusters of an evaluation's items in a split."""
        items = self.items[self.evaluations[evaluation]["dataset"], split]
        k = self.counted_apart(evaluation)
        return Groups([item["cluster"] for item in items for _ in range(k)], k)

    def realised(self, measure: Json, arm: str, split: str) -> tuple[float, float] | None:
        """Clause 13.4: the realised norm of an arm, and its share of the activations'."""
        delta, residual, edits = self.norms[measure["evaluation"], arm, split]
        if not edits:
            return None
        norm = math.fsum(delta) / edits
        return norm, norm / (math.fsum(residual) / edits)

    def outcomes_of(self, evaluation: str) -> list[str]:
        """Clause 15.4a: every outcome of an evaluation, in order."""
        measure = self.evaluations[evaluation]["measure"]
        if measure["kind"] == "choice":
            return ["tie", "matching", "other"]
        if measure["kind"] != "generate":
            return ["above", "below"]
        given = [rule["outcome"] for rule in measure["grader"]["rules"]]
        return list(dict.fromkeys([*given, measure["grader"]["otherwise"], "incoherent"]))

    def intervention(self, axis: Json, norm: float) -> Json:
        """Clause 13.5: what every edit of an axis has in common."""
        dictionary = next(d for d in self.plan["dictionaries"] if d["id"] == axis["dictionary"])
        is_known = self.plan["model"].get("architecture", "gemma3") == "gemma3"
        if dictionary["site"] != "resid_post" or not is_known:
            raise NotCovered(f"activations at {dictionary['site']}, or another architecture")
        return {
            "dictionary": dictionary["id"],
            "dictionary_digest": dictionary["manifest_digest"],
            "hook": f"model.layers.{dictionary['layer']}.output",
            "layer": dictionary["layer"],
            "unit_norm": norm,
            **{k: axis["candidate"][k] for k in ("operation", "unit", "positions")},
            "condition": "always",
            "error_policy": "current",
            "dtype": "float32",
            "cache": "edited",
        }

    def compared(
        self, measure: Json, arm: str, base: str = "baseline", split: str = "held_out"
    ) -> Json:
        """Clause 15.1: an arm beside another, item by item."""
        before, after = (self.counts(measure, each, split) for each in (base, arm))
        return self.change(before, after, self.groups(measure["evaluation"], split))

    def change(self, before: list[bool], after: list[bool], groups: Groups) -> Json:
        """Clause 15.1a: what became of the same items."""
        pairs = list(zip(before, after, strict=True))
        gained, lost = pairs.count((False, True)), pairs.count((True, False))
        level = self.plan["statistics"]["level"]
        counts = {
            "both": pairs.count((True, True)),
            "gained": gained,
            "lost": lost,
            "neither": pairs.count((False, False)),
            "difference": (gained - lost) / len(pairs),
        }
        if not groups.alone:
            return counts | groups.change(before, after, level)
        low, high = figures.tango(gained, lost, len(pairs), level)
        return counts | {"low": low, "high": high, "p": figures.mcnemar(gained, lost)}

    def series(self, axis: Json, arms: list[str]) -> Json:
        """Clause 14: a series of doses, its choice and its trend."""
        rule, doses = axis["dose_rule"], axis["candidate"]["doses"]
        table = [self.counts(rule["measure"], arm, "tuning") for arm in arms]
        incoherent = {**rule["measure"], "outcomes": ["incoherent"]}
        broken = [sum(self.counts(incoherent, arm, "tuning")) for arm in arms]
        items, zero = len(table[0]), doses.index(0)
        sign = {"negative": -1, "positive": 1, "either": 0}[rule["sign"]]
        way = 1 if rule["direction"] == "up" else -1
        effects = [way * (sum(row) - sum(table[zero])) / items for row in table]
        eligible = [i for i, d in enumerate(doses) if d and (not sign or d * sign > 0)]
        admissible = [
            i
            for i in eligible
            if (broken[i] - broken[zero]) / items <= rule["incoherent_at_most"]
        ]
        best = max((effects[i] for i in admissible), default=0)
        asked = best * rule["share_of_best"] if best > 0 else best
        enough = [i for i in admissible if effects[i] >= asked] or eligible
        picked = min(enough, key=lambda i: (abs(doses[i]), i))
        order = sorted(range(len(doses)), key=doses.__getitem__)
        groups = self.groups(rule["measure"]["evaluation"], "tuning")
        sums = zip(*(groups.sums(table[i]) for i in order), strict=True)
        telling = [list(map(int, row)) for row in sums if len(set(row)) > 1]
        is_exact = len(telling) <= 2000 and max(map(max, telling), default=0) <= 1
        shift, p = (figures.trend if is_exact else figures.trend_of_clusters)(telling)
        way_there = sorted(
            (abs(d), i) for i, d in enumerate(doses) if 0 <= d / doses[picked] <= 1
        )
        risen = [effects[i] for _, i in way_there]
        return {
            "effect": effects[picked],
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
            "trend": {
                "direction": "rising" if shift > 0 else "falling" if shift < 0 else "flat",
                "p": float(p),
                "method": "exact" if is_exact else "normal",
            },
        }


__all__ = ["Refused", "Verifier"]
