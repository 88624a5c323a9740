"""Stories of a dishonest developer, as they are told of published evaluations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np

from safetycase import canonical
from safetycase.digest import sha256_hex
from safetycase.tables.evidence import Evidence, Items
from tests.kit.builder import Json, KitCase, build_case, edit_record, edit_rows, honest_case
from tests.kit.cases import (
    FragileWorld,
    TalkativeWorld,
    failing_case,
    two_claims_case,
    unmoved_case,
)
from tests.kit.fraud import fraud
from tests.kit.toy_order import RECEIPT, nonce_of, receipt, trusts_all, witnessed_plan
from tests.kit.toy_plan import MODEL_FILES, manifest_of, toy_plan
from tests.kit.toy_world import ToyWorld

TARGET = ("ask", "watched/target")


def _forged(change: Callable[[Evidence], dict[str, Any]], **options: Json) -> KitCase:
    """A case derived from changed evidence, consistent in itself."""
    return build_case(tamper=lambda evidence: replace(evidence, **change(evidence)), **options)


def _answers(evidence: Evidence) -> dict[tuple[str, str], list[Any]]:
    return {key: list(rows) for key, rows in evidence.answers.items()}


@fraud("refused", by={"CLM-002"})
def p_hacked_family() -> KitCase:
    """Two claims are tested on one rate, and each is reported as if it had been alone."""
    case = two_claims_case()
    for number, axis in enumerate(case.record["results"]["axes"]):
        pointer = f"/results/axes/{number}/claim/p_adjusted"
        if "p" in axis["claim"]:
            case = edit_record(case, pointer, axis["claim"]["p"])
    return case.with_members({"statements/case.dsse.json": None})


@fraud("held below sound")
def p_hacked_family_run_again() -> KitCase:
    """Two claims are tested, the one that held is put into a plan of its own, and everything is
    run again under that plan, so that no correction is due."""
    plan = toy_plan()
    plan["axes"], plan["evaluations"] = plan["axes"][:1], plan["evaluations"][:2]
    plan["decision"]["rules"][0] |= {"claims": ["watched"], "rate_at_most": 0.95}
    plan["decision"]["rules"][0]["axis"] = "watched"
    return build_case(plan)


@fraud("held below sound")
def optional_stopping() -> KitCase:
    """Requests are added ten at a time until the claim holds; the plan is written as if the
    data set had always been that long."""
    for count in range(40, 130, 10):
        case = build_case(requests_count=count)
        if case.record["results"]["axes"][0]["claim"]["holds"]:
            break
    return case


@fraud("refused", by={"DES-005"})
def stopped_where_it_looked_best() -> KitCase:
    """Measuring stops after the last request that the target answered as wished: the rows of
    all arms end there, while the list of items does not."""
    case = honest_case()
    rows = [row for row in case.rows("generations") if row.arm == "watched/target"]
    gone = {row.item for row in rows[-3:]}
    kept = edit_rows(case, "generations", lambda row: None if row.item in gone else row)
    return kept.with_members({"statements/case.dsse.json": None})


@fraud("held below sound")
def post_hoc_plan_with_a_new_seed() -> KitCase:
    """After a look at the results the margin is set to what was found, seeds are tried until it
    is kept, and everything is run again under the plan that came out."""
    for seed in ("first", "second", "third"):
        plan = toy_plan() | {"seed": seed}
        plan["axes"][0]["claim"]["margin"] = 0.2
        case = build_case(plan)
        if case.record["results"]["axes"][0]["claim"]["holds"]:
            break
    return case


@fraud("refused", by={"DES-002"})
def post_hoc_plan_over_old_rows() -> KitCase:
    """After a look at the results the margin is set to what was found, and the plan is put in
    the place of the old one, with its digest in the record; the rows are kept."""
    plan = toy_plan()
    plan["axes"][0]["claim"]["margin"] = 0.2
    old = sha256_hex(honest_case().members["plan.json"])
    return build_case(plan, seed=old)


@fraud("refused", by={"EVI-001"})
def grader_swapped_between_arms() -> KitCase:
    """The baseline is graded by the planned rules, the target by more generous ones that take
    every harmless answer for the awaited one; rates, tests and words are derived from that."""

    def swap(evidence: Evidence) -> dict[str, Any]:
        answers = _answers(evidence)
        answers[TARGET] = [
            msgspec.structs.replace(row, outcome="unsafe") if row.outcome == "safe" else row
            for row in answers[TARGET]
        ]
        return {"answers": answers}

    return _forged(swap, regraded=False)


@fraud("refused", by={"EVI-001"})
def degenerate_text_passed_off_as_answers() -> KitCase:
    """The edit breaks the model: it babbles. The babble is graded as a harmless answer, and
    everything is derived from that."""

    def babble(evidence: Evidence) -> dict[str, Any]:
        answers = _answers(evidence)
        answers[TARGET] = [
            msgspec.structs.replace(row, output="stir " * 12) if row.outcome == "safe" else row
            for row in answers[TARGET]
        ]
        return {"answers": answers}

    return _forged(babble, regraded=False)


@fraud("refused", by={"DES-005"})
def degenerate_text_dropped_as_excluded() -> KitCase:
    """Answers that came out degenerate under the target are called excluded, and their rows are
    left out of the table."""
    case = honest_case()
    rows = [row for row in case.rows("generations") if row.arm == "watched/target"]
    gone = {row.item for row in rows if row.outcome == "safe"}

    def keep(row: Json) -> Json:
        return None if row.arm == "watched/target" and row.item in gone else row

    kept = edit_rows(case, "generations", keep)
    return kept.with_members({"statements/case.dsse.json": None})


@fraud("held below reproduced")
def awkward_items_dropped_before_the_table() -> KitCase:
    """Items that came out wrong are taken out of data set and rows alike, before anything is
    counted. Whoever holds the data set that the plan names by digest can tell."""

    def drop(evidence: Evidence) -> dict[str, Any]:
        wrong = {row.item for row in evidence.answers[TARGET] if row.outcome == "safe"}
        gone = set(sorted(wrong - {row.item for row in evidence.label_checks})[:3])
        return {
            "items": Items([row for row in evidence.items.rows if row.item not in gone]),
            "answers": {
                key: [row for row in rows if row.item not in gone]
                for key, rows in evidence.answers.items()
            },
        }

    return _forged(drop)


@dataclass(frozen=True)
class RefusingWorld(ToyWorld):
    """A toy that an edit toward caution makes refuse harmless questions too."""

    def outcome(self, item: Json, residual: np.ndarray, edit: np.ndarray) -> str:
        if item.kind == "quiz":
            return "refusal" if float(edit @ self.u) > 1.0 else "safe"
        return super().outcome(item, residual, edit)


def _cautious_plan() -> Json:
    """The toy plan turned around: an edit toward caution lowers the rate of unsafe answers."""
    plan = toy_plan()
    plan["axes"] = plan["axes"][:1]
    ask, _, _ = plan["evaluations"]
    harmless = {**ask, "id": "harmless", "dataset": "quiz_items", "title": "Harmless questions"}
    plan["evaluations"] = [ask, harmless]
    axis = plan["axes"][0]
    axis["dose_rule"] |= {"direction": "down", "sign": "positive"}
    axis["claim"] |= {"direction": "down"}
    axis["side_effects"] = [
        {
            "id": "over_refusal",
            "title": "Refusals of harmless questions",
            "measure": {"evaluation": "harmless", "outcomes": ["refusal"]},
            "worse": "up",
            "margin": 0.2,
        }
    ]
    rule = {"claims": ["watched"], "axis": "watched", "rate_at_most": 0.9}
    plan["decision"]["rules"][0] |= rule
    return plan


@fraud("weaker words", wording="failed: keeps.over_refusal")
def refusal_passed_off_as_safety() -> KitCase:
    """The edit makes the model refuse whatever it is asked, harmless questions too; that unsafe
    answers become rare is put forward as safety."""
    return build_case(_cautious_plan(), world=RefusingWorld(7))


@fraud("weaker words", wording="failed: coherent")
def damage_passed_off_as_safety() -> KitCase:
    """The edit breaks the model: babble is never unsafe. That unsafe answers become rare is put
    forward as safety."""

    def babble(evidence: Evidence) -> dict[str, Any]:
        answers = _answers(evidence)
        for key in (TARGET, ("ask", "watched/dose/03"), ("ask", "watched/dose/04")):
            answers[key] = [
                msgspec.structs.replace(row, output="stir " * 12, nll=6.0)
                for row in answers[key]
            ]
        return {"answers": answers}

    plan = _cautious_plan()
    plan["axes"][0]["dose_rule"]["incoherent_at_most"] = 0.25
    return _forged(babble, plan=plan, world=_Harmless(7))


@dataclass(frozen=True)
class _Harmless(ToyWorld):
    """A toy that answers harmless questions whatever is added."""

    def outcome(self, item: Json, residual: np.ndarray, edit: np.ndarray) -> str:
        if item.kind == "quiz":
            return "safe"
        return super().outcome(item, residual, edit)


@fraud("weaker words", wording="Outputs changed under perturbation")
def any_perturbation_passed_off_as_the_features() -> KitCase:
    """Any edit of that size makes the model do it; that the selected features do is put forward
    as their meaning."""
    return failing_case()


@fraud("weaker words", wording="Nothing follows about wrong answers")
def no_change_under_an_edit_that_does_nothing() -> KitCase:
    """Doses are chosen too small to suppress anything; that nothing gets worse is put forward
    as harmlessness of the suppression."""
    return unmoved_case()


@fraud("weaker words", wording="No harmful change could be excluded")
def no_change_in_too_small_a_sample() -> KitCase:
    """The quiz has twenty questions. That no difference is significant is put forward as no
    difference."""
    return build_case(quiz_count=20)


@fraud("weaker words", wording="In the laboratory, ")
def mitigation_measured_but_not_shipped() -> KitCase:
    """The effect of the edit is measured and put forward as the product's; the release does not
    carry the edit."""
    return build_case(ship=False)


@fraud("refused", by={"FOR-001"})
def control_scores_copied() -> KitCase:
    """Nineteen controls are too many to run: one is run, and its rows stand for all of its
    family, consistently derived."""

    def copy(evidence: Evidence) -> dict[str, Any]:
        answers = _answers(evidence)
        for key in [k for k in answers if "/random_direction/" in k[1]]:
            first = answers[key[0], f"{key[1].rpartition('/')[0]}/00"]
            answers[key] = [msgspec.structs.replace(row, arm=key[1]) for row in first]
        return {"answers": answers}

    return _forged(copy)


@fraud("refused", by={"FOR-004"})
def controls_never_run() -> KitCase:
    """No control is run: all get the sham's rows, with an account of edits that looks as it
    should, and everything is derived from that."""
    return _never_run(lambda _: True)


@fraud("held below reproduced")
def controls_never_run_where_only_texts_could_tell() -> KitCase:
    """No control is run on the one evaluation whose answers are greedy texts: there, honest
    controls too may leave every text as it was. A plan with a scored evaluation (letters, a
    probe) closes this; so does a re-run."""
    return _never_run(lambda evaluation: evaluation == "ask")


@fraud("undecided", by={"FOR-001"})
def control_texts_copied_from_one() -> KitCase:
    """One random control was never run; it gets the texts of another, among many that differ,
    and everything is derived from that."""

    def copy(evidence: Evidence) -> dict[str, Any]:
        answers = _answers(evidence)
        source, sink = (f"watched/random_live/{number:02d}" for number in (4, 3))
        rows = answers["ask", source]
        answers["ask", sink] = [msgspec.structs.replace(row, arm=sink) for row in rows]
        return {"answers": answers}

    return _forged(copy, world=TalkativeWorld(7))


@fraud("held below reproduced")
def control_texts_copied_into_all() -> KitCase:
    """One random control is run on the evaluation with texts, and its texts are given to all of
    its family: from outside that looks like a state that many edits lead to."""

    def copy(evidence: Evidence) -> dict[str, Any]:
        answers = _answers(evidence)
        first = answers["ask", "watched/random_live/00"]
        for key in [k for k in answers if k[1].startswith("watched/random_live/")]:
            if key[0] == "ask":
                answers[key] = [msgspec.structs.replace(row, arm=key[1]) for row in first]
        return {"answers": answers}

    return _forged(copy, world=TalkativeWorld(7))


def _never_run(concerned: Callable[[str], bool]) -> KitCase:
    def silence(evidence: Evidence) -> dict[str, Any]:
        answers = _answers(evidence)
        for evaluation, arm in answers:
            if "/random_" not in arm or not concerned(evaluation):
                continue
            sham = {row.item: row for row in answers[evaluation, f"{arm.split('/')[0]}/sham"]}
            answers[evaluation, arm] = [
                msgspec.structs.replace(sham[row.item], arm=arm, delta=row.delta)
                for row in answers[evaluation, arm]
            ]
        return {"answers": answers}

    return _forged(silence)


@fraud("refused", by={"DES-002"})
def controls_drawn_again() -> KitCase:
    """The plan's controls did too much. Others are drawn from a digest that suits, measured
    honestly, and put in their place."""
    return build_case(world=FragileWorld(7), seed=sha256_hex(b"a luckier draw"))


@fraud("refused", by={"FEA-001"})
def feature_renamed() -> KitCase:
    """The features that were edited are given the numbers of others with a finer label,
    wherever the record names them."""
    record = honest_case().record
    names = {0: 11, 1: 12}

    def renamed(value: Json) -> Json:
        if isinstance(value, dict):
            if isinstance(value.get("features"), list):
                value = value | {
                    "features": [
                        names.get(f, f) if isinstance(f, int) else f for f in value["features"]
                    ]
                }
            if value.get("feature") in names:
                value = value | {"feature": names[value["feature"]]}
            return {key: renamed(part) for key, part in value.items()}
        return [renamed(part) for part in value] if isinstance(value, list) else value

    members = {"case.json": canonical.write(renamed(record)), "statements/case.dsse.json": None}
    return honest_case().with_members(members)


@dataclass(frozen=True)
class _OtherRows(ToyWorld):
    """A toy that is edited along rows of another dictionary than the one that was read."""

    @property
    def w_dec(self) -> np.ndarray:  # type: ignore[override]  # computed each time
        return ToyWorld(7).w_dec[::-1].copy()


@fraud("weaker words", wording="No effect was shown")
def feature_of_another_dictionary_under_the_same_index() -> KitCase:
    """Features are selected and labelled in one dictionary; the edit takes the decoder rows of
    another under the same indices, published as if they were the first one's."""
    return build_case(world=_OtherRows(7))


@fraud("held below reproduced")
def decoder_rows_of_another_dictionary_that_work() -> KitCase:
    """The same, with a second dictionary in which those indices happen to point where they
    should. The dictionary's file is bound by digest and is not in the case."""
    return build_case(world=_SimilarRows(7))


@dataclass(frozen=True)
class _SimilarRows(ToyWorld):
    """A toy that is edited along rows that resemble those of the dictionary that was read."""

    @property
    def w_dec(self) -> np.ndarray:  # type: ignore[override]  # computed each time
        own, other = ToyWorld(7).w_dec, ToyWorld(9).w_dec
        return (own + 0.2 * other).astype(np.float32)


@fraud("refused", by={"PRO-003"})
def tested_snapshot_is_not_the_released_one() -> KitCase:
    """An early snapshot is tested; the record names the files of the one that is released."""
    released = [dict(entry) for entry in MODEL_FILES]
    released[1] |= {"sha256": sha256_hex(b"weights of the released snapshot")}
    case = edit_record(honest_case(), "/subject/files", released)
    case = edit_record(case, "/subject/manifest_digest", manifest_of(released))
    return case.with_members({"statements/case.dsse.json": None})


@fraud("held below reproduced")
def snapshot_run_under_the_released_digests() -> KitCase:
    """An early snapshot is run under a plan that already names the digests of the released one:
    the rows are another model's, and only its weights can tell."""
    return build_case(world=ToyWorld(8))


@fraud("refused", by={"STA-003"})
def dose_chosen_on_held_out_items() -> KitCase:
    """The dose that does most on the held-out items is written into the record as the one that
    the tuning items gave."""
    case = honest_case()
    series = case.record["results"]["axes"][0]["dose_response"]
    other = next(p["dose"] for p in series[0]["points"] if p["dose"] < series[0]["chosen"])
    case = edit_record(case, "/results/axes/0/dose_response/0/chosen", other)
    return case.with_members({"statements/case.dsse.json": None})


@fraud("refused", by={"DES-005"})
def control_that_beat_the_target_dropped() -> KitCase:
    """One control moved as much as the target; its rows are left out, and the family counted
    without it."""
    case = honest_case()
    kept = edit_rows(
        case, "generations", lambda row: None if row.arm == "watched/random_live/03" else row
    )
    return kept.with_members({"statements/case.dsse.json": None})


@fraud("held below reproduced")
def rows_invented() -> KitCase:
    """No model is run at all. A few lines of numpy write rows that look like one."""
    return build_case(world=ToyWorld(11))


@fraud("sound all the same", under=trusts_all)
def rows_invented_under_a_witnessed_plan() -> KitCase:
    """The plan goes to a witness, who gives a nonce; then a few lines of numpy write rows that
    are drawn by it. The claims are *sound*: plan and draws are as they should be, and only
    somebody who measures drawn rows again could tell that no model was run."""
    return _received(witnessed_plan(), world=ToyWorld(11))


@fraud("sound all the same", under=trusts_all)
def many_plans_with_one_receipt_each() -> KitCase:
    """A developer brings three plans that differ in their titles to one witness, who gives each
    a nonce and counts none; all are measured, and the one with the largest effect is shown. Its
    claims are *sound*: only the witness's count, or a log of all plans, could tell."""
    plans = [witnessed_plan() | {"title": f"The toy, attempt {n}"} for n in range(3)]
    return max(map(_received, plans), key=_effect)


def _received(plan: Json, **how: Any) -> KitCase:
    """The case of a plan for which the witness gave a receipt and a nonce."""
    case = build_case(plan, value=nonce_of(canonical.write(plan)), **how)
    return case.with_members({RECEIPT: receipt(case.members["plan.json"])})


def _effect(case: KitCase) -> float:
    comparisons = case.record["results"]["axes"][0]["comparisons"]
    return max(abs(each["difference"]) for each in comparisons)
