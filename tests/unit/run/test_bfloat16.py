"""Runs in bfloat16, whose rounding moves every edit: honest ones end with a verified case."""

from __future__ import annotations

from pathlib import Path

import pytest

from safetycase.cli.as_written import require_verified
from safetycase.errors import RunFailed
from tests.unit.run.test_pipeline import make, opened
from tests.unit.run.tiny_world import Tiny, plan_value

pytestmark = pytest.mark.run


def rounded(**candidate: object) -> dict:
    value = plan_value()
    value["model"]["dtype"] = "bfloat16"
    value["audit"] = {"rows": 12, "positions": 4}
    value["axes"][0]["candidate"] |= candidate
    return value


@pytest.mark.parametrize(
    ("operation", "unit", "doses"),
    [
        ("add", "residual_norm_fraction", [-1.0, -0.5, 0.0, 0.5, 1.0]),
        ("add", "residual_norm_fraction", [-0.04, -0.02, 0.0, 0.02, 0.04]),
        ("add", "l2", [-0.2, -0.1, 0.0, 0.1, 0.2]),
        ("scale", "activation_multiple", [-1.0, -0.5, 0.0, 1.0, 4.0]),
        ("clamp", "max_activation_multiple", [-1.0, 0.0, 0.5, 1.0, 2.0]),
        ("project_out", "projection_multiple", [-1.0, -0.5, 0.0, 0.5, 1.0]),
    ],
)
@pytest.mark.parametrize("error_policy", [None, "none"])
def test_an_honest_case_is_verified(
    tiny: Tiny,
    tmp_path: Path,
    operation: str,
    unit: str,
    doses: list[float],
    error_policy: str | None,
) -> None:
    dropped = {} if error_policy is None else {"error_policy": error_policy}
    value = rounded(operation=operation, unit=unit, doses=doses, **dropped)
    path = make(tiny, tmp_path, value=value)
    assert opened(path)[0].model.dtype == "bfloat16"
    require_verified(path, at="2026-03-01T00:00:00Z")


def test_doses_that_rounding_takes_stop_the_run(tiny: Tiny, tmp_path: Path) -> None:
    value = rounded(doses=[-0.0002, -0.0001, 0.0, 0.0001, 0.0002])
    with pytest.raises(RunFailed, match="of which rounding to bfloat16 leaves most") as raised:
        make(tiny, tmp_path, value=value)
    assert "/dose/" in str(raised.value)
    assert "Larger doses" in str(raised.value)
