"""The figures of audit traces stand on the page, each with its pointer."""

from __future__ import annotations

from safetycase.verify.engine import verify
from safetycase.verify.outcome import Outcome
from tests.kit.builder import AT, policy
from tests.kit.cases import PAGE, traced_case, with_page


def test_every_figure_of_the_traces_is_shown() -> None:
    case = with_page(traced_case())
    page = case.members[PAGE].decode()
    for name in case.record["results"]["axes"][0]["traces"]:
        assert f'data-pointer="/results/axes/0/traces/{name}"' in page
    verdict = verify(case.to_bytes(), policy(), at=AT)
    rendered = {n: o for n, o in verdict.outcomes().items() if n.startswith("REN")}
    assert Outcome.FAIL not in rendered.values()
    assert verdict.exit_code == 0
