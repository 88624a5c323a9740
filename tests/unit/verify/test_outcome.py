from __future__ import annotations

import pytest

from safetycase.verify.outcome import CheckResult, Finding, Outcome, Verdict


def _verdict(*outcomes: Outcome, exit_code: int = 1) -> Verdict:
    results = tuple(
        CheckResult(
            f"ABC-00{n}",
            "t",
            4,
            "intact",
            outcome,
            required=True,
            findings=(Finding(f"ABC-00{n}", outcome, "w", "e", "f", "s"),),
        )
        for n, outcome in enumerate(outcomes)
    )
    return Verdict(
        None, None, "p", "d", "t", None, (), results, (), None, (), exit_code, "reason"
    )


def test_a_verdict_is_not_a_boolean() -> None:
    with pytest.raises(TypeError, match=r"verdict\.verified"):
        bool(_verdict(Outcome.PASS, exit_code=0))


@pytest.mark.parametrize("code", range(5))
def test_only_exit_code_0_is_verified(code: int) -> None:
    assert _verdict(exit_code=code).verified is (code == 0)


def test_failing_names_failures_and_crashes_only() -> None:
    verdict = _verdict(*Outcome)
    assert verdict.outcomes() == dict(
        zip([f"ABC-00{n}" for n in range(5)], Outcome, strict=True)
    )
    assert verdict.failing() == ("ABC-001", "ABC-004")
    assert verdict.findings["ABC-002"][0].outcome is Outcome.UNKNOWN


def test_in_the_way_is_what_is_bad_or_else_what_is_required_and_open() -> None:
    def ids(*outcomes: Outcome) -> list[str]:
        return [result.check for result in _verdict(*outcomes).in_the_way()]

    assert ids(*Outcome) == ["ABC-001", "ABC-004"]
    assert ids(Outcome.PASS, Outcome.UNKNOWN, Outcome.NOT_APPLICABLE) == ["ABC-001"]
    assert ids(Outcome.PASS) == []
