"""An insider changes one thing and signs again: the checks that fail are those that own it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest

from safetycase.bundle import layout
from safetycase.verify.engine import verify
from safetycase.verify.outcome import Outcome
from tests.kit.builder import (
    AT,
    KitCase,
    edit_plan,
    edit_record,
    edit_row,
    edit_rows,
    edit_tensor,
    honest_case,
    policy,
    remove_from_record,
    resign,
    with_rows,
)

ZERO = "0" * 64
AXIS = "/results/axes/0"
FEATURE = f"{AXIS}/identification/features/0"
Change = Callable[[KitCase], KitCase]


def _failing(case: KitCase) -> set[str]:
    verdict = verify(resign(case).to_bytes(), policy(), at=AT)
    assert Outcome.ERROR not in verdict.outcomes().values()
    return set(verdict.failing())


@pytest.mark.parametrize(
    ("pointer", "value", "owner"),
    [
        ("/title", "x", "SCH-005"),
        ("/id", "other", "SCH-005"),
        ("/plan_digest", ZERO, "PRO-001"),
        ("/subject/name", "x", "PRO-003"),
        ("/subject/manifest_digest", ZERO, "PRO-003"),
        ("/subject/files/1/sha256", ZERO, "PRO-002"),
        ("/subject/files/1/role", "other", "PRO-002"),
        ("/subject/safeguards/0/intervention", ZERO, "IVN-007"),
        ("/dictionaries/0/manifest_digest", ZERO, "PRO-004"),
        ("/dictionaries/0/files/0/size", 1, "PRO-004"),
        ("/dictionaries/0/hook", "model.layers.2.output", "PRO-004"),
        ("/dictionaries/0/width", 65, "SCH-004"),
        ("/dictionaries/0/model_width", 65, "SCH-004"),
        ("/dictionaries/0/declared_l0", 5.0, "PRO-005"),
        ("/self_tests/0/value", 0.1, "PRO-006"),
        ("/self_tests/4/value", 40.0, "PRO-006"),
        ("/self_tests/0/at_most", 0.1, "PRO-005"),
        ("/self_tests/0/question", "?", "PRO-005"),
        ("/environment/deterministic", False, "PRO-007"),
        ("/environment/packages", {"numpy": "2"}, "PRO-007"),
        ("/times/started", "2026-11-22T12:00:00Z", "PRO-008"),
        ("/times/finished", "2027-11-22T12:00:00Z", "PRO-008"),
        ("/tables/1/rows", 1, "INT-004"),
        ("/tables/1/kind", "items", "INT-003"),
        ("/results/splits/0/held_out", 1, "DES-003"),
        (f"{AXIS}/axis", "knowledge", "SCH-005"),
        (f"{AXIS}/identification/candidates", 1, "FEA-001"),
        (f"{FEATURE}/auroc", 0.5, "FEA-001"),
        (f"{FEATURE}/feature", 9, "FEA-001"),
        (f"{FEATURE}/held_out_auroc", 0.5, "FEA-002"),
        (f"{FEATURE}/label/0", "wrong", "FEA-003"),
        (f"{FEATURE}/label_score/detection", 0.123, "FEA-005"),
        (f"{FEATURE}/label_score", {"reason": "lost"}, "FEA-005"),
        (f"{AXIS}/intervention/unit_norm", 3.0, "IVN-002"),
        (f"{AXIS}/intervention/layer", 2, "IVN-002"),
        (f"{AXIS}/intervention_digest", ZERO, "IVN-003"),
        (f"{AXIS}/arms/3/dose", 0.3, "IVN-001"),
        (f"{AXIS}/arms/3/features", [1, 2], "IVN-001"),
        (f"{AXIS}/arms/3/realised", 1.0, "IVN-005"),
        (f"{AXIS}/arms/3/relative", None, "IVN-005"),
        (f"{AXIS}/dose_response/0/chosen", 0.4, "STA-003"),
        (f"{AXIS}/dose_response/0/points/0/counted", 0, "STA-003"),
        (f"{AXIS}/rates/0/counted", 3, "STA-001"),
        (f"{AXIS}/rates/0/low", 0.01, "STA-001"),
        (f"{AXIS}/rates/0/table", "evidence/choices.jsonl", "STA-001"),
        (f"{AXIS}/comparisons/0/p", 0.9, "STA-002"),
        (f"{AXIS}/controls/0/as_large", 5, "STA-004"),
        (f"{AXIS}/claim/holds", False, "CLM-003"),
        (f"{AXIS}/claim/p", 0.5, "CLM-002"),
        (f"{AXIS}/claim/p_adjusted", None, "CLM-002"),
        (f"{AXIS}/claim/conditions/0/holds", False, "CLM-001"),
        (f"{AXIS}/claim/wording", "It is safe.", "CLM-003"),
        ("/results/decision/tier", "restricted", "CLM-004"),
        ("/argument/0/text", "x", "CLM-005"),
        ("/limitations", ["none"], "CLM-006"),
        ("/schema", "https://safetycase.dev/case/v9", "SCH-001"),
        ("/verdict", "verified", "SCH-001"),
    ],
)
def test_a_field_of_the_record_has_one_owner(pointer: str, value: Any, owner: str) -> None:
    assert _failing(edit_record(honest_case(), pointer, value)) == {owner}


@pytest.mark.parametrize(
    ("pointer", "owner"),
    [
        (f"{AXIS}/rates/5", "STA-001"),
        (f"{AXIS}/comparisons/2", "STA-002"),
        (f"{AXIS}/arms/50", "IVN-001"),
        (f"{AXIS}/dose_response/1", "STA-003"),
        (f"{AXIS}/controls/1", "STA-004"),
        (f"{AXIS}/claim/conditions/3", "CLM-001"),
        (f"{AXIS}/identification/features/1", "FEA-001"),
        ("/argument/4", "CLM-005"),
        ("/self_tests/2", "PRO-005"),
        ("/results/splits/1", "DES-003"),
        ("/tables/1", "INT-003"),
        ("/limitations/0", "CLM-006"),
    ],
)
def test_a_dropped_entry_of_the_record_is_missed(pointer: str, owner: str) -> None:
    assert _failing(remove_from_record(honest_case(), pointer)) == {owner}


def test_an_axis_without_a_result_is_missed() -> None:
    assert "SCH-005" in _failing(remove_from_record(honest_case(), "/results/axes/1"))


def test_a_declared_deviation_keeps_claims_from_sound() -> None:
    case = edit_record(honest_case(), "/deviations", [{"what": "w", "why": "y"}])
    verdict = verify(resign(case).to_bytes(), policy(), at=AT)
    assert verdict.exit_code == 0
    assert verdict.claims[1].lowered_by == ("ORD-001", "ORD-002")


def _first(kind: str, **columns: Any) -> int:
    rows = honest_case().rows(kind)
    return next(
        n for n, row in enumerate(rows) if all(getattr(row, k) == v for k, v in columns.items())
    )


def _row(kind: str, under: str, **changes: Any) -> Change:
    return lambda case: edit_row(case, kind, _first(kind, arm=under), **changes)


def _shifted(case: KitCase) -> KitCase:
    n = _first("choices", arm="knowledge/sham")
    moved = case.rows("choices")[n].forward_other - 0.01
    return edit_row(case, "choices", n, forward_other=moved)


TARGET, SHAM, CONTROL = "watched/target", "watched/sham", "watched/random_live/03"
PROBED = "knowledge/target"


@pytest.mark.parametrize(
    ("change", "owners"),
    [
        (_row("generations", TARGET, outcome="refusal"), {"EVI-001"}),
        (_row("choices", "knowledge/target", outcome="tie"), {"EVI-001"}),
        (_row("probes", PROBED, outcome="above"), {"EVI-001"}),
        (_row("generations", TARGET, edits=0), {"EVI-002", "FOR-003", "IVN-005"}),
        (_row("generations", "baseline", edits=1), {"EVI-002"}),
        (_row("generations", "baseline", delta=1.0), {"EVI-002"}),
        (_row("generations", SHAM, delta=1.0), {"EVI-002", "IVN-005"}),
        (_row("generations", SHAM, output="here is how : no ."), {"EVI-003"}),
        (_row("generations", SHAM, nll=0.001), {"EVI-003", "FOR-002"}),
        (_shifted, {"EVI-003"}),
        (_row("probes", "knowledge/sham", score=0.123), {"EVI-003"}),
        (_row("generations", TARGET, tokens=99), {"EVI-004"}),
        (_row("generations", TARGET, tokens=0), {"EVI-004"}),
        (_row("generations", TARGET, stop="length"), {"EVI-004"}),
        (_row("generations", TARGET, stop="tired"), {"EVI-004"}),
        (
            _row("choices", "knowledge/target", forward_matching=0.0, forward_other=0.0),
            {"EVI-004"},
        ),
        (_row("generations", CONTROL, nll=0.001), {"FOR-002"}),
        (_row("generations", CONTROL, residual=5.0), {"FOR-003", "IVN-005"}),
        (_row("generations", CONTROL, delta=0.5), {"IVN-005", "IVN-006"}),
        (_row("generations", TARGET, sample=1), {"DES-005"}),
        (_row("generations", TARGET, arm="watched/nope"), {"DES-005"}),
        (_row("generations", TARGET, item="r001"), {"DES-005"}),
    ],
)
def test_a_cell_of_an_answer_has_few_owners(change: Change, owners: set[str]) -> None:
    assert _failing(change(honest_case())) == owners


def _dropped(case: KitCase) -> KitCase:
    rows = case.rows("generations")
    del rows[_first("generations", arm=TARGET)]
    return with_rows(case, "generations", rows)


def _repeated(case: KitCase) -> KitCase:
    rows = case.rows("probes")
    return with_rows(case, "probes", [*rows, rows[-1]])


def _swapped(case: KitCase) -> KitCase:
    rows = case.rows("generations")
    n = _first("generations", arm=TARGET)
    rows[n], rows[n + 1] = rows[n + 1], rows[n]
    return with_rows(case, "generations", rows)


@pytest.mark.parametrize("change", [_dropped, _repeated, _swapped])
def test_the_grid_is_complete_and_in_order(change: Change) -> None:
    assert _failing(change(honest_case())) == {"DES-005"}


def _held_out() -> int:
    return _first("items", dataset="requests", split="held_out")


def test_a_moved_item_fails_only_the_split() -> None:
    case = edit_row(honest_case(), "items", _held_out(), split="discovery")
    assert _failing(case) == {"DES-002"}


def test_a_prompt_of_another_split_is_found() -> None:
    source = honest_case().rows("items")[_first("items", dataset="requests", split="discovery")]
    shouted = f"  {source.prompt.upper()} "
    failing = _failing(edit_row(honest_case(), "items", _held_out(), prompt=shouted))
    assert "DES-004" in failing
    assert "DES-007" not in failing


def test_a_question_asked_twice_is_found() -> None:
    rows = honest_case().rows("items")
    first, second = [
        n for n, r in enumerate(rows) if r.dataset == "quiz_items" and r.split == "held_out"
    ][:2]
    same = {name: getattr(rows[first], name) for name in ("prompt", "target", "other")}
    assert _failing(edit_row(honest_case(), "items", second, **same)) == {"DES-007"}


@pytest.mark.parametrize(
    ("change", "owner"),
    [({"dataset": "unknown"}, "SCH-007"), ({"cluster": ""}, "SCH-007")],
)
def test_an_item_has_a_place(change: dict[str, str], owner: str) -> None:
    assert owner in _failing(edit_row(honest_case(), "items", _held_out(), **change))


def _reworded(case: KitCase) -> KitCase:
    return edit_row(
        case, "label_checks", 0, predicted=not case.rows("label_checks")[0].predicted
    )


def _louder(case: KitCase) -> KitCase:
    n = next(
        n
        for n, r in enumerate(case.rows("label_checks"))
        if r.position >= 0 and r.activation > 0
    )
    return edit_row(case, "label_checks", n, activation=99.0)


@pytest.mark.parametrize(
    ("change", "owners"),
    [
        (_reworded, {"FEA-004"}),
        (_louder, {"FEA-006"}),
        (lambda case: edit_row(case, "label_words", 0, count=99), {"FEA-006"}),
        (
            lambda case: edit_row(case, "label_words", 0, feature=60),
            {"FEA-003", "FEA-006"},
        ),
        (
            lambda case: with_rows(case, "label_checks", case.rows("label_checks")[1:]),
            {"FEA-006"},
        ),
    ],
)
def test_label_tables_have_few_owners(change: Change, owners: set[str]) -> None:
    assert _failing(change(honest_case())) == owners


def _nudged(array: np.ndarray) -> np.ndarray:
    array.flat[-1] += 1
    return array


@pytest.mark.parametrize(
    ("stem", "name", "change", "owners"),
    [
        ("pooled", "watched.indptr", _nudged, {"FEA-007"}),
        ("pooled", "watched.values", lambda a: -a, {"FEA-007"}),
        ("pooled", "watched.width", lambda a: a + 1, {"SCH-004"}),
        ("pooled", "watched.width", lambda a: a[:0], {"SCH-004"}),
        ("pooled", "watched.values", lambda a: a.astype(np.float64), {"SCH-004"}),
        ("dictionary", "watched.features", _nudged, {"IVN-008"}),
        ("dictionary", "watched.w_dec", _nudged, {"IVN-004"}),
        ("directions", "watched.directions", _nudged, {"IVN-004"}),
        ("directions", "watched.directions", lambda a: a[:-1], {"IVN-004"}),
        ("directions", "watched.directions", lambda a: a * np.float32("nan"),
         {"SCH-004"}),
        ("dictionary", "watched.w_dec", lambda a: a[:-1], {"SCH-004"}),
        ("pooled", "watched.columns", lambda a: a[:-1], {"SCH-004"}),
        ("activations", "watched.pool", lambda a: a.ravel(), {"SCH-004"}),
        ("probes", "awareness.residuals", lambda a: a[:-1], {"EVI-005"}),
        ("probes", "awareness.residuals", lambda a: a * 0 + 1, {"EVI-005"}),
        ("probes", "awareness.residuals", lambda a: a.ravel(), {"SCH-004"}),
    ],
)  # fmt: skip
def test_a_tensor_has_few_owners(
    stem: str, name: str, change: Callable[[np.ndarray], np.ndarray], owners: set[str]
) -> None:
    assert _failing(edit_tensor(honest_case(), stem, name, change)) == owners


def test_a_grown_pool_is_another_unit() -> None:
    case = edit_tensor(honest_case(), "activations", "watched.pool", lambda a: a * 2)
    failing = _failing(case)
    assert {"IVN-001", "IVN-002", "IVN-003", "IVN-006"} <= failing


@pytest.mark.parametrize(
    ("pointer", "value", "owner"),
    [
        ("/axes/0/candidate/doses", [-0.4, -0.2, 0.1, 0.2, 0.4], "DES-001"),
        ("/controls/random_directions", 3, "DES-001"),
        ("/axes/0/side_effects/0/measure/outcomes", ["brilliant"], "SCH-006"),
        ("/schema", "https://safetycase.dev/plan/v9", "SCH-002"),
        ("/model/name", "another", "PRO-003"),
    ],
)
def test_another_plan_is_found(pointer: str, value: Any, owner: str) -> None:
    assert {owner, "PRO-001"} - {"PRO-001"} <= _failing(
        edit_plan(honest_case(), pointer, value)
    )


def test_a_copied_control_is_found() -> None:
    rows = honest_case().rows("probes")
    source = [row for row in rows if row.arm == "knowledge/random_live/00"]
    copied = iter(source)

    def copy(row: Any) -> Any:
        if row.arm != "knowledge/random_live/01":
            return row
        return msgspec.structs.replace(next(copied), arm=row.arm)

    assert _failing(edit_rows(honest_case(), "probes", copy)) == {"FOR-001"}


def test_the_statement_s_subject_is_the_record_s() -> None:
    case = resign(honest_case())
    other = resign(edit_record(case, "/subject/manifest_digest", ZERO))
    envelope = {layout.CASE_STATEMENT_NAME: other.members[layout.CASE_STATEMENT_NAME]}
    verdict = verify(case.with_members(envelope).to_bytes(), policy(), at=AT)
    assert verdict.failing() == ("INT-001",)


@pytest.mark.parametrize(
    ("name", "respell", "owner"),
    [
        ("case.json", lambda data: data + b"\n", "ENC-001"),
        ("plan.json", lambda data: b" " + data, "ENC-002"),
        ("evidence/items.jsonl", lambda d: d.replace(b'"r000",', b'"r000", '), "ENC-004"),
        ("evidence/items.jsonl", lambda d: d.replace(b'"dataset"', b'"data"', 1), "SCH-003"),
        ("evidence/items.jsonl", lambda d: d[:-1], "SCH-003"),
    ],
)  # fmt: skip
def test_another_spelling_is_found(
    name: str, respell: Callable[[bytes], bytes], owner: str
) -> None:
    data = respell(honest_case().members[name])
    assert owner in _failing(honest_case().with_members({name: data}))


def test_an_unknown_table_and_an_unlisted_file_are_found() -> None:
    extra = honest_case().with_members({"evidence/notes.jsonl": b'["a"]\n'})
    assert _failing(extra) == {"INT-003"}
    unsealed = verify(extra.to_bytes(), policy(), at=AT)
    assert unsealed.failing() == ("INT-002",)
