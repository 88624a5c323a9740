from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from safetycase.bundle import layout, reader
from safetycase.bundle.limits import changed
from safetycase.bundle.reader import open_case
from safetycase.digest import FileDigest
from safetycase.envelope.dsse import Envelope, read_envelope, write_envelope
from safetycase.errors import NotVerified, UsageError
from safetycase.verify import engine
from safetycase.verify.api import require
from safetycase.verify.check import STAGES, Check
from safetycase.verify.checks import FAMILIES, all_checks
from safetycase.verify.engine import verify
from safetycase.verify.outcome import Outcome, Verdict
from safetycase.verify.policy import load_policy
from tests.kit.builder import (
    AT,
    OTHER_SIGNER,
    KitCase,
    build_case,
    edit_record,
    edit_rows,
    honest_case,
    keys,
    policy,
    resign,
)

BASELINE = load_policy(Path(__file__).parents[3] / "policies" / "baseline.yaml")
ALWAYS_UNKNOWN = ["ORD-001", "ORD-003", "GRD-001", "GRD-002"]


def _verdict(case: KitCase, **changes: Any) -> Verdict:
    return verify(case.to_bytes(), policy(**changes), at=AT)


def _ids(verdict: Verdict, outcome: Outcome) -> list[str]:
    return [result.check for result in verdict.results if result.outcome is outcome]


def test_the_honest_case_verifies() -> None:
    verdict = _verdict(honest_case())
    assert verdict.exit_code == 0
    assert verdict.verified
    assert verdict.signers == ("kit",)
    assert verdict.name == "toy"
    assert verdict.decision_tier == "general"
    assert _ids(verdict, Outcome.UNKNOWN) == ALWAYS_UNKNOWN
    graders = [f"GRD-00{number}" for number in range(3, 7)]
    traces = [
        "BES-003",
        "FEA-008",
        "FEA-009",
        "FEA-010",
        *(f"TRC-00{number}" for number in range(1, 7)),
    ]
    unasked = [
        "RED-001",
        "RED-002",
        "RED-003",
        "ORD-004",
        "ORD-005",
        "REP-001",
        "REP-002",
        "REP-003",
        "RED-004",
        *graders,
        "CTL-001",
        "CTL-002",
        "CTL-003",
    ]
    unasked += [*traces, "CLM-009", "REN-001", "REN-002", "REN-003"]
    assert _ids(verdict, Outcome.NOT_APPLICABLE) == unasked
    assert len(_ids(verdict, Outcome.PASS)) == len(all_checks()) - len(
        [*ALWAYS_UNKNOWN, *unasked]
    )
    assert [(c.axis, c.tier, c.holds) for c in verdict.claims] == [
        ("watched", "recomputed", True),
        ("knowledge", "recomputed", True),
    ]
    assert [claim.lowered_by for claim in verdict.claims] == [
        ("ORD-001", "GRD-001", "GRD-002"),
        ("ORD-001",),
    ]


def test_two_verifications_of_one_case_agree(tmp_path: Path) -> None:
    data = honest_case().to_bytes()
    path = tmp_path / "toy.safetycase"
    path.write_bytes(data)
    assert verify(path, policy(), at=AT) == verify(data, policy(), at=AT)


def test_a_table_is_decoded_from_the_bytes_that_are_hashed_inflated_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also where nothing that was inflated is kept, as of ten million rows."""
    inflated: list[str] = []
    inflate = reader._inflate

    def counted(stored: memoryview, place: str) -> Iterator[bytes]:
        inflated.append(place)
        return inflate(stored, place)

    monkeypatch.setattr(reader, "_KEPT", 0)
    monkeypatch.setattr(reader, "_inflate", counted)
    assert _verdict(honest_case()).verified
    tables = [place for place in inflated if place.endswith(".jsonl")]
    assert len(tables) == len(set(tables)) > 4


@pytest.mark.parametrize("signed_again", [False, True])
@pytest.mark.parametrize("readable", [False, True])
def test_rows_are_worth_nothing_where_their_digest_is_another(
    readable: bool, signed_again: bool
) -> None:
    """They were decoded while they were hashed: what they say is not looked at."""
    name = "evidence/choices.jsonl"
    data = honest_case().members[name]
    other = data.replace(b'"matching"', b'"other"' if readable else b"7", 1)
    case = honest_case().with_members({name: other})
    verdict = _verdict(resign(case) if signed_again else case)
    failing = verdict.failing()
    if not signed_again:
        assert failing == ("INT-001",)
        assert verdict.outcomes()["ENC-004"] is Outcome.UNKNOWN
        [finding] = next(r for r in verdict.results if r.check == "INT-001").findings
        digests = [FileDigest.of(name, held) for held in (data, other)]
        told = [f"{d.size} bytes, SHA-256 {d.sha256}" for d in digests]
        assert [finding.where, finding.expected, finding.found] == [name, *told]
    else:
        assert "INT-001" not in failing
        assert bool(failing)


def test_a_limit_of_rows_is_told_where_rows_are_asked_for() -> None:
    """Not where bytes are hashed: the bytes are those that were signed."""
    few = changed({"rows": 10})
    verdict = verify(honest_case().to_bytes(), policy(), at=AT, limits=few)
    outcomes = verdict.outcomes()
    assert outcomes["CON-001"] is outcomes["INT-001"] is Outcome.PASS
    [finding] = next(r for r in verdict.results if r.check == "ENC-004").findings
    assert "at most 10 rows" in finding.expected


def test_the_collector_of_cycles_is_left_as_it_was() -> None:
    assert gc.isenabled()
    _verdict(honest_case())
    verify(b"", policy(), at=AT)
    assert gc.isenabled()


def test_results_stand_in_the_order_of_stages() -> None:
    stages = [result.stage for result in _verdict(honest_case()).results]
    assert stages == sorted(stages)
    assert set(stages) == set(range(len(STAGES)))


def test_without_signers_in_the_policy_nobody_is_known() -> None:
    verdict = verify(honest_case().to_bytes(), BASELINE, at=AT)
    assert verdict.exit_code == 3
    assert verdict.reason == "Intact, signer unknown: the policy names no signers."
    assert verdict.outcomes()["SIG-001"] is Outcome.UNKNOWN
    assert {claim.tier for claim in verdict.claims} == {"recomputed"}


def test_an_unsigned_case_is_undecided_and_its_claims_asserted() -> None:
    verdict = _verdict(build_case(signed=False))
    assert verdict.exit_code == 3
    assert verdict.case_id is None
    assert verdict.failing() == ()
    assert {claim.tier for claim in verdict.claims} == {"asserted"}
    assert all(claim.holds for claim in verdict.claims)


def test_a_stranger_s_signature_does_not_count() -> None:
    verdict = _verdict(resign(honest_case(), OTHER_SIGNER))
    assert verdict.exit_code == 1
    assert verdict.failing() == ("SIG-001",)
    assert verdict.signers == ()
    assert {claim.tier for claim in verdict.claims} == {"asserted"}
    assert {claim.holds for claim in verdict.claims} == {None}


def test_a_case_renamed_by_an_outsider_stops_at_integrity() -> None:
    verdict = _verdict(edit_record(honest_case(), "/title", "another"))
    assert verdict.failing() == ("INT-001",)
    later = [r for r in verdict.results if r.stage > 2]
    assert {r.outcome for r in later} == {Outcome.UNKNOWN}
    assert later[0].findings[0].sentence == "Not asked: stage 2 (integrity): INT-001 failed."


def _with_signatures(case: KitCase, change: Any) -> KitCase:
    name = layout.CASE_STATEMENT_NAME
    envelope = read_envelope(case.members[name], where=name)
    altered = Envelope(envelope.payload_type, envelope.payload, change(envelope.signatures))
    return case.with_members({name: write_envelope(altered)})


def test_half_a_hybrid_signature_is_none() -> None:
    verdict = _verdict(_with_signatures(honest_case(), lambda s: s[:1]))
    assert verdict.failing() == ("SIG-001",)
    found = verdict.findings["SIG-001"][0].found
    assert found == "nobody (kit lacks ml-dsa-65)"


def test_a_signature_outside_its_window_does_not_count() -> None:
    entry = keys().signer.to_json() | {"not_after": "2026-11-01T00:00:00Z"}
    verdict = _verdict(honest_case(), signers=[entry])
    assert verdict.failing() == ("SIG-001",)
    assert verdict.findings["SIG-001"][0].found == "nobody (kit is outside its window)"


def test_a_false_claim_to_a_trusted_key_is_found() -> None:
    def swap(signatures: Any) -> Any:
        other = type(signatures[0])(signatures[0].keyid, signatures[0].sig[::-1])
        return (*signatures, other)

    verdict = _verdict(_with_signatures(honest_case(), swap))
    assert verdict.failing() == ("SIG-002",)


@pytest.mark.parametrize(
    "data",
    [b"", b"PK", b"not a zip at all" * 100, b"PK\x05\x06" + bytes(18)],
    ids=["empty", "two bytes", "text", "empty zip"],
)
def test_junk_gives_a_verdict(data: bytes) -> None:
    verdict = verify(data, policy(), at=AT)
    assert verdict.exit_code == 1
    assert verdict.failing() == ("CON-001",)
    assert verdict.claims == ()


def test_a_missing_file_gives_a_verdict(tmp_path: Path) -> None:
    verdict = verify(tmp_path / "none", policy(), at=AT)
    assert verdict.failing() == ("CON-001",)
    assert verdict.archive_sha256 is None


def _members(data: bytes) -> dict[str, bytes]:
    container = open_case(data)
    return {name: container.read(name) for name in container.names}


@pytest.mark.parametrize("step", [997, 4999, 20011])
def test_a_flipped_byte_is_refused_or_changes_no_member(step: int) -> None:
    """The zip's own dates and permissions are not signed; a case is its members."""
    data = honest_case().to_bytes()
    for offset in range(step % 61, len(data), step):
        broken = bytearray(data)
        broken[offset] ^= 0x41
        verdict = verify(bytes(broken), policy(), at=AT)
        assert verdict.exit_code in {1, 3} or _members(bytes(broken)) == _members(data), offset
        assert Outcome.ERROR not in verdict.outcomes().values(), offset


@pytest.mark.parametrize("member", ["case.json", "plan.json"])
@pytest.mark.parametrize(
    "data", [b"{}", b"[]", b"null", b"{", b'{"a":1,"a":2}', b'{"schema":"x"}', b"\xff"]
)
def test_a_wrong_document_under_a_right_signature_is_no_crash(member: str, data: bytes) -> None:
    case = honest_case().with_members({member: data})
    try:
        sealed = resign(case)
    except Exception:  # noqa: BLE001 — a record that cannot even be signed is left as it is
        sealed = case
    verdict = verify(sealed.to_bytes(), policy(), at=AT)
    assert verdict.exit_code == 1
    assert Outcome.ERROR not in verdict.outcomes().values()


@pytest.mark.parametrize("kind", ["items", "generations", "choices", "probes", "label_checks"])
def test_a_case_without_a_table_is_refused(kind: str) -> None:
    bare = honest_case().with_members({f"evidence/{kind}.jsonl": None})
    verdict = _verdict(resign(bare))
    assert verdict.exit_code == 1
    assert "INT-003" in verdict.failing()
    assert Outcome.ERROR not in verdict.outcomes().values()
    assert not any(claim.holds and claim.tier == "recomputed" for claim in verdict.claims)


@pytest.mark.parametrize(
    "stem", ["pooled", "activations", "dictionary", "directions", "probes"]
)
def test_a_case_without_its_tensors_is_refused(stem: str) -> None:
    bare = honest_case().with_members({f"evidence/{stem}.safetensors": None})
    verdict = _verdict(resign(bare))
    assert "SCH-004" in verdict.failing()
    assert Outcome.ERROR not in verdict.outcomes().values()


def test_a_crash_of_a_check_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(_case: object) -> Any:
        raise ZeroDivisionError("oops")

    checks = dict(all_checks())
    fields = {name: getattr(checks["DES-001"], name) for name in Check.__dataclass_fields__}
    checks["DES-001"] = Check(**(fields | {"run": crash}))
    monkeypatch.setattr(engine, "all_checks", lambda: checks)
    verdict = _verdict(honest_case())
    assert verdict.exit_code == 4
    assert verdict.failing() == ("DES-001",)
    assert verdict.findings["DES-001"][0].found == "ZeroDivisionError: oops"


def test_a_crash_below_the_checks_is_no_crash_of_the_verdict(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def crash(*_: object) -> Any:
        raise IndexError("oops")

    monkeypatch.setattr("safetycase.methods.derive.claims", crash)
    verdict = _verdict(honest_case())
    assert verdict.exit_code == 4
    judged = {f"CLM-00{n}" for n in (1, 2, 3, 4, 5, 7)}
    assert set(verdict.failing()) == judged | {"STA-007"}
    assert {claim.holds for claim in verdict.claims} == {None}
    assert verdict.decision_tier is None


def test_the_renderings_stage_can_be_left_out() -> None:
    page = resign(honest_case()).with_members({"report/case.html": b"<p>no figures</p>"})
    assert _verdict(page).failing() == ("REN-001", "REN-002", "REN-003")
    quoted = verify(page.to_bytes(), policy(), at=AT, renderings=False)
    assert quoted.exit_code == 0
    assert not any(result.check.startswith("REN") for result in quoted.results)


def test_a_page_that_nobody_requires_fails_nothing() -> None:
    page = honest_case().with_members({"report/case.html": b"<p>no figures</p>"})
    verdict = _verdict(page, required_checks=["STA-001"])
    assert verdict.failing() == ("REN-001", "REN-002", "REN-003")
    assert verdict.exit_code == 0


def test_many_findings_are_counted() -> None:
    case = edit_rows(honest_case(), "choices", lambda row: _outcome(row, "tie"))
    findings = _verdict(resign(case)).findings["EVI-001"]
    assert len(findings) > 20
    assert sum(f.sentence.endswith(f"first at {f.where}.") for f in findings) >= 1
    assert {f.outcome for f in findings} == {Outcome.FAIL}


def _outcome(row: Any, outcome: str) -> Any:
    return type(row)(*(getattr(row, f) for f in row.__struct_fields__[:-1]), outcome)


def test_require_hands_back_the_case_it_verified() -> None:
    data = honest_case().to_bytes()
    case = require(data, policy(), AT)
    assert case.container.read("case.json") == honest_case().members["case.json"]
    with pytest.raises(NotVerified):
        require(data, BASELINE, AT)


@pytest.mark.parametrize("at", ["", "now", "2026-11-22", "2026-11-22T16:00:00+00:00"])
def test_a_time_that_is_none_is_refused(at: str) -> None:
    with pytest.raises(UsageError):
        verify(b"", policy(), at=at)


def test_an_unknown_required_check_is_refused() -> None:
    with pytest.raises(UsageError) as refusal:
        _verdict(honest_case(), required_checks=["STA-001", "STA-999"])
    assert refusal.value.found == "STA-999"


@pytest.mark.parametrize(
    ("tier", "code"), [("intact", 0), ("recomputed", 0), ("sound", 3), ("reproduced", 3)]
)
def test_a_higher_tier_leaves_a_self_made_case_undecided(tier: str, code: int) -> None:
    assert _verdict(honest_case(), minimum_tier=tier).exit_code == code


def test_required_claims_must_hold() -> None:
    unshipped = build_case(ship=False)
    assert _verdict(unshipped, must_hold=["knowledge"]).exit_code == 0
    verdict = _verdict(unshipped)
    assert verdict.failing() == ("CLM-007",)
    assert verdict.findings["CLM-007"][0].axis == "watched"
    assert verdict.claims[0].holds is False
    assert verdict.claims[0].wording.startswith("In the laboratory, ")
    assert _verdict(honest_case(), must_hold=["nobody"]).failing() == ("CLM-007",)


def test_every_module_of_checks_is_registered() -> None:
    folder = Path(engine.__file__).parent / "checks"
    modules = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    assert len(FAMILIES) == len(modules)
    assert len(all_checks()) == sum(len(family.checks) for family in FAMILIES)
    assert len(all_checks()) >= 35


def test_a_question_that_does_not_arise_says_why_and_a_pass_says_what_holds() -> None:
    titles = {name: check.title for name, check in all_checks().items()}
    for result in _verdict(honest_case()).results:
        (first, *_) = result.findings
        if result.outcome is Outcome.NOT_APPLICABLE:
            assert first.sentence == f"The question does not arise: {first.found}."
        if result.outcome is Outcome.PASS:
            assert first.sentence == titles[result.check]
            assert first.found.endswith(" examined")
