"""A small case with plausible figures, made of real models by the package's own methods.

Counts are invented; every interval, p-value, condition, sentence, decision and argument is
then derived from them by the functions that runner and verifier call.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import Any

from safetycase.canonical import write
from safetycase.methods import grid
from safetycase.methods.argument import argument, limitations
from safetycase.methods.claims import Findings
from safetycase.methods.controls import rank_test
from safetycase.methods.decision import decide
from safetycase.methods.derive import claims, intervention_digest
from safetycase.methods.interval import clopper_pearson
from safetycase.methods.measure import measured_on
from safetycase.methods.paired import Pairs, mcnemar_exact, tango_interval
from safetycase.methods.stream import Stream
from safetycase.record.case import Case
from safetycase.record.control_tests import ControlTest
from safetycase.record.doses import DosePoint, DoseResponse
from safetycase.record.identification import Identification, LabelScore, SelectedFeature
from safetycase.record.plan import Plan
from safetycase.record.planned_axis import Axis
from safetycase.record.planned_evaluation import INCOHERENT, Measure
from safetycase.record.results import (
    Arm,
    AxisResult,
    Comparison,
    Intervention,
    Rate,
    Results,
    SplitCount,
)
from safetycase.record.unavailable import Unavailable
from tests.unit.report.sample_plan import ITEMS, digest

UNIT_NORM = 41.27


@dataclass(frozen=True)
class Moves:
    """How many held-out items an arm of some role gains and loses on a measure."""

    target: tuple[int, int]
    controls: int
    best_of: tuple[int, int]


STRONG = Moves(target=(139, 4), controls=9, best_of=(21, 6))
WEAK = Moves(target=(61, 9), controls=60, best_of=(70, 6))


def _before(measure: Measure, items: int) -> int:
    shares = {"unsafe": 0.186, INCOHERENT: 0.01, "correct": 0.82, "refusal": 0.04, "above": 0.9}
    return round(shares[measure.outcomes[0]] * items)


def _moved(moves: Moves, measure: Measure, arm: str, stream: Stream) -> tuple[int, int]:
    role = arm.split("/")[1] if "/" in arm else "baseline"
    if role in {"baseline", "sham"}:
        return 0, 0
    if measure.outcomes[0] == "above":
        return (1, 131) if role == "target" else (2, stream.below(9))
    if measure.outcomes[0] != "unsafe":
        return 1 + stream.below(2), 1 + stream.below(2)
    if role in {"random_live", "random_direction"}:
        return stream.below(moves.controls), stream.below(9)
    return {
        "target": moves.target,
        "best_of": moves.best_of,
        "reconstruction": (6, 3),
        "opposite": (1, 17),
    }[role]


def _rate(plan: Plan, measure: Measure, arm: str, counted: int, items: int) -> Rate:
    interval = clopper_pearson(counted, items, plan.statistics.level)
    return Rate(
        arm=arm,
        measure=measure,
        split="held_out",
        counted=counted,
        items=items,
        low=interval.low,
        high=interval.high,
        table="evidence/generations.jsonl",
    )


def _comparison(plan: Plan, measure: Measure, arm: str, moved: tuple[int, int]) -> Comparison:
    items = ITEMS[measure.evaluation]
    before = _before(measure, items)
    gained, lost = moved
    lost = min(lost, before)
    pairs = Pairs(before - lost, lost, gained, items - before - gained)
    interval = tango_interval(pairs, plan.statistics.level)
    return Comparison(
        arm=arm,
        measure=measure,
        both=pairs.both,
        gained=gained,
        lost=lost,
        neither=pairs.neither,
        difference=(gained - lost) / items,
        low=interval.low,
        high=interval.high,
        p=mcnemar_exact(pairs),
    )


def _doses(axis: Axis, name: str, arms: list[str], top: int, chosen: float) -> DoseResponse:
    counts = {-0.9: top - 8, -0.6: top, -0.4: top - 3, -0.2: top // 2 + 6, 0.0: 20, 0.2: 17}
    incoherent = {-0.9: 31, -0.6: 5, -0.4: 2, 0.4: 3}
    points = tuple(
        DosePoint(
            arm=arm,
            dose=dose,
            counted=max(0, counts.get(dose, 12)),
            incoherent=incoherent.get(dose, 1),
            items=108,
            admissible=-0.9 < dose < 0.0,
        )
        for arm, dose in zip(arms, axis.candidate.doses, strict=True)
    )
    return DoseResponse(arm=name, points=points, chosen=chosen, monotone=True)


def _features() -> tuple[SelectedFeature, ...]:
    label = ("audit", "benchmark", "examiner", "test")
    score = LabelScore(
        detection=0.913,
        fuzzing=0.884,
        null_detection=0.581,
        active=48,
        silent=52,
        supported=True,
    )
    weak = LabelScore(
        detection=0.612, fuzzing=0.655, null_detection=0.604, active=20, silent=80,
        supported=False,
    )  # fmt: skip
    none = Unavailable(reason="no held-out prompt on which the feature fires")
    facts = ((8121, 0.971, label, score), (402, 0.902, label[::-1], weak), (15, 0.77, (), none))
    return tuple(
        SelectedFeature(
            feature=number,
            auroc=auroc,
            p=1e-9,
            p_adjusted=3e-6,
            density=0.31,
            held_out_auroc=auroc - 0.02,
            label=words,
            label_score=checked,
        )
        for number, auroc, words, checked in facts
    )


def _intervention(plan: Plan, axis: Axis) -> Intervention:
    dictionary = plan.dictionaries[0]
    return Intervention(
        dictionary=dictionary.id,
        dictionary_digest=dictionary.manifest_digest,
        hook=f"model.layers.{dictionary.layer}.output",
        layer=dictionary.layer,
        operation=axis.candidate.operation,
        unit=axis.candidate.unit,
        unit_norm=UNIT_NORM,
        positions=axis.candidate.positions,
        condition="always",
        error_policy="current",
        dtype="float32",
        cache="edited",
    )


def _arm(name: str, stream: Stream) -> Arm:
    role = name.split("/")[1]
    dose = {"sham": 0.0, "reconstruction": 0.0, "opposite": 0.4}.get(role, -0.4)
    edited = role != "sham"
    pair = (stream.below(512), stream.below(512)) if role == "random_direction" else None
    features = () if pair or role == "reconstruction" else (8121, 402, 15)
    if role in {"random_live", "best_of", "best_of_dose"}:
        features = tuple(stream.sample(16384, 3))
    return Arm(
        id=name,
        role=role,
        features=features,
        pool_pair=pair,
        dose=dose,
        coefficient=dose * UNIT_NORM,
        realised=abs(dose or 0.1) * UNIT_NORM if edited else 0.0,
        relative=abs(dose or 0.1) * 0.98 if edited else 0.0,
    )


def _control(family: Any, findings_effect: float, effects: list[float]) -> ControlTest:
    return ControlTest(
        family=family,
        controls=len(effects),
        silent=0,
        as_large=sum(e >= findings_effect for e in effects),
        largest=max(effects),
        median=median(effects),
        p=rank_test(findings_effect, effects),
    )


def _measured(
    plan: Plan, axis: Axis, moves: Moves
) -> tuple[list[Rate], list[Comparison], list[ControlTest]]:
    rates, comparisons = [], []
    effects: dict[str, list[float]] = {"random_live": [], "random_direction": []}
    for number, (measure, arms) in enumerate(measured_on(plan, axis)):
        for arm in arms:
            stream = Stream(f"{measure.evaluation}{measure.outcomes[0]}", arm)
            compared = _comparison(plan, measure, arm, _moved(moves, measure, arm, stream))
            counted = compared.both + compared.gained
            rates.append(_rate(plan, measure, arm, counted, ITEMS[measure.evaluation]))
            family = arm.split("/")[1] if "/" in arm else ""
            if number == 0 and family in effects:
                effects[family].append(compared.difference)
            named = arm in grid.named_arms(axis) if number == 0 else family == "target"
            if named:
                comparisons.append(compared)
    aim = comparisons[0].difference
    return rates, comparisons, [_control(name, aim, found) for name, found in effects.items()]


def _axis_facts(plan: Plan, axis: Axis, moves: Moves) -> tuple[Findings, dict[str, Any]]:
    rates, comparisons, controls = _measured(plan, axis, moves)
    features = _features()
    identification = Identification(
        candidates=3120, significant=17, positive_items=54, negative_items=55, features=features
    )
    findings = Findings(
        axis=axis,
        identification=identification,
        rates=rates,
        comparisons=comparisons,
        controls=controls,
        shipped=False,
    )
    shared = _intervention(plan, axis)
    stream = Stream("sample", axis.id)
    series = [(f"{axis.id}/target", grid.dose_arms(axis), 78)]
    series += [
        (f"{axis.id}/best_of", arms, 24 + 3 * number)
        for number, arms in enumerate(grid.best_of_arms(plan, axis))
    ]
    facts = {
        "axis": axis.id,
        "identification": identification,
        "intervention": shared,
        "intervention_digest": intervention_digest(shared, [8121, 402, 15], -0.4),
        "arms": tuple(_arm(name, stream) for name in grid.held_out_arms(plan, axis)),
        "dose_response": tuple(_doses(axis, *one, chosen=-0.4) for one in series),
        "rates": tuple(rates),
        "comparisons": tuple(comparisons),
        "controls": tuple(controls),
    }
    return findings, facts


def case_of(plan: Plan, moves: dict[str, Moves] | None = None, **changes: Any) -> Case:
    """A case of the plan; `moves` says what each axis's arms do to its rate."""
    chosen = {"awareness": STRONG, "residual-harm": Moves((1, 4), 9, (9, 6)), **(moves or {})}
    both = [_axis_facts(plan, axis, chosen[axis.id]) for axis in plan.axes]
    judged = claims(plan, [findings for findings, _ in both])
    axes = tuple(
        AxisResult(**facts, claim=claim) for (_, facts), claim in zip(both, judged, strict=True)
    )
    splits = tuple(
        SplitCount(dataset=name, discovery=n // 2, tuning=n // 2 - 1, held_out=n)
        for name, n in ITEMS.items()
    )
    results = Results(splits=splits, axes=axes, decision=decide(plan, axes))
    data = _case_data(plan)
    data |= {
        "results": results.spelled(),
        "argument": [node.spelled() for node in argument(plan, results)],
        "limitations": list(limitations(plan)),
        **changes,
    }
    return Case.model_validate_json(write(data))


def _file(path: str, role: str, size: int) -> dict[str, Any]:
    return {"path": path, "size": size, "sha256": digest(path), "role": role}


def _test(name: str, question: str, value: float, low: float | None, high: float | None) -> Any:
    subject = "model" if name == "batch_parity" else "layer-12-16k"
    return {
        "id": name,
        "subject": subject,
        "question": question,
        "value": value,
        "at_least": low,
        "at_most": high,
    }


def _case_data(plan: Plan) -> dict[str, Any]:
    dictionary = plan.dictionaries[0]
    return {
        "schema": "https://safetycase.dev/case/v1alpha",
        "id": plan.id,
        "title": plan.title,
        "plan_digest": digest("plan"),
        "deviations": [
            {"what": "One batch was repeated in half its size.", "why": "Out of memory."}
        ],
        "subject": {
            "name": plan.model.name,
            "files": [
                _file("config.json", "configuration", 1841),
                _file("model.safetensors", "weights", 536_223_056),
                _file("tokenizer.json", "tokenizer", 33_384_568),
            ],
            "manifest_digest": plan.model.manifest_digest,
            "tensor_root": digest("tensors"),
            "safeguards": [],
        },
        "dictionaries": [
            {
                "id": dictionary.id,
                "files": [_file("params.safetensors", "weights", 84_000_000)],
                "manifest_digest": dictionary.manifest_digest,
                "equation": "jumprelu.gs2",
                "hook": "model.layers.12.output",
                "width": 16384,
                "model_width": 640,
                "declared_l0": 60.0,
            }
        ],
        "self_tests": [
            _test("hook_identity", "Does an idle hook change a logit?", 0.0, None, 0.0),
            _test("batch_parity", "Largest logit change with batch shape", 1.9e-6, None, 1e-4),
            _test("dictionary_l0", "Active features a token", 57.4, 30.0, 120.0),
            _test("dictionary_fvu", "Variance left unexplained", 0.211, None, 0.35),
        ],
        "environment": {
            "python": "3.11.9",
            "platform": "Linux x86_64",
            "packages": {"torch": "2.13.0", "transformers": "5.23.0", "numpy": "2.4.0"},
            "device": "cpu",
            "threads": 1,
            "attention": "eager",
            "deterministic": True,
            "batch_rows": 48,
        },
        "times": {"started": "2026-01-10T08:00:00Z", "finished": "2026-01-10T09:12:44Z"},
        "tables": [
            {"path": f"evidence/{kind}.jsonl", "kind": kind, "rows": rows}
            for kind, rows in (("items", 1418), ("generations", 61204), ("probes", 18480))
        ],
        "extensions": {"note": {"contact": "safety@example.org"}},
    }
