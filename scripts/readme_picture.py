"""Writes docs/images/organism.svg: the first strip plot of the passing case, on white."""

from __future__ import annotations

import re
from pathlib import Path

from safetycase.report.axis_rates import strips_of
from safetycase.report.source import Source
from safetycase.verify.case import OpenedCase
from safetycase.verify.policy import load_policy

ROOT = Path(__file__).resolve().parents[1]
CASES = ROOT / "fixtures" / "cases"
PICTURE = ROOT / "docs" / "images" / "organism.svg"


def picture() -> str:
    """The drawing as it stands in the report, with a white ground for dark pages."""
    policy = load_policy(CASES / "policy.yaml")
    case = OpenedCase(CASES / "passing.safetycase", policy, "2026-11-22T00:00:00Z")
    drawn = str(next(strips_of(Source(case.record, case.plan), 0)).plot)
    ground = '<rect width="100%" height="100%" fill="#ffffff"></rect>'
    return re.sub("(</title>)", rf"\1{ground}", drawn, count=1) + "\n"


if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8")
