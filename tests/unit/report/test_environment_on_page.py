"""The page tells where parts of a model were and how kernels were set, where it is told."""

from __future__ import annotations

from typing import Any

from safetycase.report.html import render_html
from safetycase.verify.case import OpenedCase
from safetycase.verify.engine import verify
from safetycase.verify.outcome import Outcome
from tests.kit.builder import AT, edit_record, honest_case, policy
from tests.kit.cases import PAGE
from tests.kit.seal import sealed

MORE: dict[str, Any] = {
    "batch_rows_by": "trial",
    "device_map": {"model.embed_tokens": "cuda:0", "lm_head": "disk"},
    "flags": {"tf32": "False"},
}


def test_every_part_and_every_flag_has_its_line() -> None:
    honest = honest_case()
    environment = {**honest.record["environment"], **MORE}
    case = sealed(edit_record(honest, "/environment", environment))
    data = case.to_bytes()
    opened = OpenedCase(data, policy(), AT)
    verdict = verify(data, policy(), at=AT, renderings=False)
    assert verdict.exit_code == 0
    page = render_html(opened.record, opened.plan, verdict, opened.case_id)
    html = page.decode()
    for pointer in ("batch_rows_by", "device_map/model.embed_tokens", "flags/tf32"):
        assert f'data-pointer="/environment/{pointer}"' in html
    assert "model.embed_tokens" in html
    judged = verify(case.with_members({PAGE: page}).to_bytes(), policy(), at=AT)
    assert judged.outcomes()["REN-001"] is judged.outcomes()["REN-002"] is Outcome.PASS


def test_a_processor_has_none_of_them() -> None:
    data = honest_case().to_bytes()
    opened = OpenedCase(data, policy(), AT)
    verdict = verify(data, policy(), at=AT, renderings=False)
    html = render_html(opened.record, opened.plan, verdict, opened.case_id).decode()
    assert 'data-pointer="/environment/device"' in html
    for name in MORE:
        assert f"/environment/{name}" not in html
