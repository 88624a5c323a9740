"""What follows from the rows of a case, axis by axis, as far as this verifier goes."""

import math
from collections.abc import Iterator

from tests.spec.second import directions, figures
from tests.spec.second.classes import search
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
from tests.spec.second.draws import seed_of, split_of
from tests.spec.second.grading import chosen, grade
from tests.spec.second.json_types import Json, Row
from tests.spec.second.judgements import judgements
from tests.spec.second.planned import Planned
from tests.spec.second.redaction import Redacted, escrow_in, followers_in
from tests.spec.second.tables import Marks, Tensors, rows_of

KINDS = {
    "generate": "generations",
    "choice": "choices",
    "probe": "probes",
    "perplexity": "likelihoods",
}


def fourfold(pairs: list[tuple[bool | None, bool | None]]) -> Json:
    """What became of the same items."""
    kinds = {"both": (True, True), "gained": (False, True), "lost": (True, False)}
    return {name: pairs.count(pair) for name, pair in kinds.items()} | {
        "neither": pairs.count((False, False))
    }


class NotCovered(Exception):
    """The case holds something that this verifier was not written for; it judges none of it."""


class Unknown(Exception):
    """Clause 20.4: what is withheld stays closed, so nothing follows from the rows."""


class Verifier(Planned):
    """A case opened, and everything derived from its rows."""

    def __init__(
        self,
        data: bytes,
        schemas: dict[str, dict],
        escrow: bytes | None = None,
        rules: str = "",
    ) -> None:
        """Clauses 1 to 11 and 20: refuse, or grade every row; `rules` is rules.md."""
        self.files = members(data)
        self.plan = strict(self.files["plan.json"])
        self.case = strict(self.files["case.json"])
        demand(spelled(self.plan) == self.files["plan.json"], "2.2", "the plan's spelling")
        demand(spelled(self.case) == self.files["case.json"], "2.2", "the record's spelling")
        digest = sha256(self.files["plan.json"])
        demand(self.case["plan_digest"] == digest, "5.1", "the digest of the plan")
        self.seed = self.seed_by(digest)
        self.model = manifest(self.case["subject"]["files"])
        demand(
            self.model == self.plan["model"]["manifest_digest"], "3.2", "the model's manifest"
        )
        self.id = case_id(self.files, self.model)
        read = {
            name[9:-6]: rows_of(body, schemas[name[9:-6]])
            for name, body in self.files.items()
            if name.endswith(".jsonl")
        }
        self.tables = {kind: rows for kind, (rows, _) in read.items()}
        self.open({kind: marks for kind, (_, marks) in read.items() if marks}, escrow, rules)
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
        self.judged = judgements(self.tables, self.evaluations)
        self.featureless = {a["id"] for a in self.plan["axes"] if not self.kept(a)}
        self.grade_rows()

    def seed_by(self, digest: str) -> str:
        """Clause 8.2a: the plan's digest, or what a value that it waited for makes of it."""
        awaited, stated = self.plan.get("randomness"), self.case.get("randomness")
        demand((awaited is None) == (stated is None), "8.2a", "a value, where one is awaited")
        if awaited is None or stated is None:
            return digest
        signature = stated.get("signature")
        demand(("round" in awaited) == (signature is not None), "8.2a", "a round's signature")
        if signature is not None:
            value = sha256(bytes.fromhex(signature))
            demand(value == stated["value"], "8.2a", "the value of the round")
        return seed_of(digest, "case", stated["value"])

    def open(self, marks: dict[str, Marks], escrow: bytes | None, rules: str) -> None:
        """Clause 20: refuse a bad ledger or escrow; else everything is open, or unknown."""
        ledger = self.case.get("redactions", [])
        if not marks and not ledger:
            return
        followers = followers_in(rules)
        redacted = Redacted(self.files, ledger, self.tables, marks, followers)
        if escrow is not None:
            redacted.open_with(escrow_in(escrow, self.id))
        redacted.grade_single(self.plan)
        if redacted.closed:
            raise Unknown(f"{len(redacted.closed)} columns and files are closed")
        self.files |= redacted.opened

    def refuse_what_is_not_known(self) -> None:
        """Cases that this verifier was not written for."""
        kinds = {e["measure"]["kind"] for e in self.plan["evaluations"]} - KINDS.keys()
        if kinds:
            raise NotCovered(f"kinds of evaluation: {kinds}")
        scripts = [e["measure"] for e in self.plan["evaluations"] if "turns" in e["measure"]]
        others = "audit" in self.plan or any(
            "matched_degradation" in axis for axis in self.plan["axes"]
        )
        if scripts and (others or any("judge" in measure for measure in scripts)):
            raise NotCovered("scripts with judges, traces or damage")

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

    def kept(self, axis: Json) -> list[Json]:
        """Clause 10.3: the features that the search keeps."""
        found = search(self, axis, directions.Pooled(self.tensors, axis["id"]))
        return found["features"]  # type: ignore[no-any-return]

    def rows_of(self, evaluation: str, arm: str, split: str) -> list[Json]:
        """The rows of a cell."""
        return self.cells[evaluation, arm, split]

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
        said = None
        if "judge" in measure:
            place = (row["evaluation"], row["arm"], row["item"], row.get("sample", 0))
            said = self.judged.get(place, "")
        turns = measure.get("turns")
        if turns is not None:
            self.hold_to_turns(row, item, measure)
        grader = measure["grader"]
        return grade(row["output"], row["nll"], target, grader, coherence, said, turns)

    def hold_to_turns(self, row: Json, item: Json, measure: Json) -> None:
        """Clause 11.2f: an answer to every turn, as many stops, tokens that they allow."""
        turns = strict(item["prompt"].encode())["turns"]
        answers, stops = strict(row["output"].encode()), row["stop"].split(" ")
        demand(len(turns) == len(answers) == len(stops), "11.2f", "an answer a turn")
        limit, total = measure["max_new_tokens"], 0
        for how, tokens in (stop.split(":") for stop in stops):
            total += int(tokens)
            fits = 1 <= int(tokens) <= limit if how == "eos" else int(tokens) == limit
            demand(how in ("eos", "length") and fits, "11.2f", f"{how} after {tokens} tokens")
        demand(total == row["tokens"], "11.2f", f"{row['tokens']} tokens")

    def missing(self) -> dict[tuple[str, str, str, int], str]:
        """Clause 15.1a: the answers that are missing, each with its cause."""
        rows, allowed = self.tables.get("exclusions", []), self.plan.get("exclusions", {})
        found = {(r["evaluation"], r["arm"], r["item"], r["sample"]): r["cause"] for r in rows}
        demand(len(found) == len(rows), "15.1a", "an answer that is missing twice")
        causes = set(found.values()) - set(allowed.get("causes", []))
        demand(not causes, "15.1a", f"causes that the plan does not permit: {causes}")
        return found

    def grade_rows(self) -> None:
        """Clauses 10.2 and 11: every row in its place, with the outcome that it must have."""
        self.outcomes: dict[tuple[str, str, str], list[str | None]] = {}
        missing = self.missing()
        self.cells: dict[tuple[str, str, str], list[Json]] = {}
        self.norms: dict[tuple[str, str, str], Json] = {}
        at = dict.fromkeys(KINDS.values(), 0)
        for evaluation in self.plan["evaluations"]:
            e, measure = evaluation["id"], evaluation["measure"]
            kind = self.table_of(e)
            threshold = self.probe_of(e, measure) if kind == "probes" else 0.0
            for arm, split in self.arms_of(e):
                outcomes: list[str | None] = []
                for item, sample in self.asked(e, split):
                    if missing.pop((e, arm, item["item"], sample), None):
                        outcomes.append(None)
                        continue
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
                start = at[kind] - len(outcomes) + outcomes.count(None)
                self.cells[e, arm, split] = self.tables[kind][start : at[kind]]
        demand(not missing, "15.1a", f"not planned, so not missing: {missing}")
        for kind, read in at.items():
            demand(read == len(self.tables.get(kind, [])), "10.2", f"rows too many in {kind}")

    def counts(
        self, measure: Json, arm: str, split: str = "held_out", *, missing: bool = False
    ) -> list[bool]:
        """Which items of a cell count, if those that are missing do, or do not."""
        flags = [missing if f is None else f for f in self.each(measure, arm, split)]
        k = self.samples(measure["evaluation"])
        if self.counted_apart(measure["evaluation"]) == k:
            return flags
        return [2 * sum(flags[i : i + k]) > k for i in range(0, len(flags), k)]

    def each(self, measure: Json, arm: str, split: str = "held_out") -> list[bool | None]:
        """Which answers of a cell count; none: it is missing."""
        cell = self.outcomes[measure["evaluation"], arm, split]
        return [None if o is None else o in measure["outcomes"] for o in cell]

    def rate(self, measure: Json, arm: str) -> Json:
        """Clause 15.1: a rate."""
        least, most = (self.counts(measure, arm, missing=m) for m in (False, True))
        level, n = self.plan["statistics"]["level"], len(least)
        found: Json = {"counted": sum(least), "items": n}
        if most != least:
            found["excluded"] = self.each(measure, arm).count(None)
        groups = self.groups(measure["evaluation"], "held_out")
        if not groups.alone:
            return found | groups.rate(least, most, level)
        low, _ = figures.clopper_pearson(sum(least), n, level)
        _, high = figures.clopper_pearson(sum(most), n, level)
        return found | {"low": low, "high": high}

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

    def intervention(self, axis: Json, candidate: Json, norm: float) -> Json:
        """Clause 13.5: what every edit of an axis has in common."""
        dictionary = self.dictionary(axis)
        is_known = self.plan["model"].get("architecture", "gemma3") == "gemma3"
        if dictionary["site"] != "resid_post" or not is_known:
            raise NotCovered(f"activations at {dictionary['site']}, or another architecture")
        blocks = dictionary.get("layers")
        named = (
            dictionary["layer"] if blocks is None else "{" + ",".join(map(str, blocks)) + "}"
        )
        of_prompt = candidate["positions"] != "generated"
        return {
            "dictionary": dictionary["id"],
            "dictionary_digest": dictionary["manifest_digest"],
            "hook": f"model.layers.{named}.output",
            "layer": dictionary["layer"],
            "unit_norm": norm,
            **{k: candidate[k] for k in ("operation", "unit", "positions")},
            "condition": candidate.get("condition", "always"),
            "error_policy": candidate.get("error_policy", "current"),
            "dtype": "float32",
            "cache": "edited" if of_prompt else "unedited_prompt",
        }

    def compared(
        self, measure: Json, arm: str, base: str = "baseline", split: str = "held_out"
    ) -> Json:
        """Clause 15.1: an arm beside another, item by item."""
        groups = self.groups(measure["evaluation"], split)
        before, after = (self.each(measure, each, split) for each in (base, arm))
        if None not in before + after:
            sides = (self.counts(measure, each, split) for each in (base, arm))
            return self.change(*sides, groups)
        if self.counted_apart(measure["evaluation"]) < self.samples(measure["evaluation"]):
            raise NotCovered("missing answers of a majority")
        pairs = list(zip(before, after, strict=True))
        whole = [(b, a) for b, a in pairs if b is not None and a is not None]
        known = fourfold(whole)
        ends = []
        for rise in (False, True):
            one = [(not rise if b is None else b, rise if a is None else a) for b, a in pairs]
            ends.append(self.change([b for b, _ in one], [a for _, a in one], groups))
        least, most = (end["difference"] for end in ends)
        one_sided = least * most > 0
        if not groups.alone:
            known["clustered"] = max(
                (end["clustered"] for end in ends), key=lambda c: float(c["design_effect"])
            )
        return known | {
            "difference": (known["gained"] - known["lost"]) / len(pairs),
            "low": ends[0]["low"],
            "high": ends[1]["high"],
            "p": max(end["p"] for end in ends) if one_sided else 1,
            "excluded": {"least": least, "most": most, "pairs": len(pairs) - len(whole)},
        }

    def change(self, before: list[bool], after: list[bool], groups: Groups) -> Json:
        """Clause 15.1a: what became of the same items."""
        pairs = list(zip(before, after, strict=True))
        gained, lost = pairs.count((False, True)), pairs.count((True, False))
        level = self.plan["statistics"]["level"]
        counts = fourfold(pairs) | {"difference": (gained - lost) / len(pairs)}
        if not groups.alone:
            return counts | groups.change(before, after, level)
        low, high = figures.tango(gained, lost, len(pairs), level)
        return counts | {"low": low, "high": high, "p": figures.mcnemar(gained, lost)}


__all__ = ["Refused", "Verifier"]
