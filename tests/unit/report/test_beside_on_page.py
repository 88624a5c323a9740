"""What is edited with the kept features, and what stands beside them, is on the page."""

from __future__ import annotations

import pytest

from safetycase.verify.engine import verify
from safetycase.verify.outcome import Outcome
from tests.kit.builder import AT, KitCase, policy
from tests.kit.cases import PAGE, with_page
from tests.kit.operation_cases import grouped_case, refusal_case


def _page(case: KitCase) -> str:
    verdict = verify(case.to_bytes(), policy(), at=AT)
    rendered = {n: o for n, o in verdict.outcomes().items() if n.startswith("REN")}
    assert Outcome.FAIL not in rendered.values()
    assert verdict.exit_code == 0
    return case.members[PAGE].decode()


def test_members_of_groups_are_shown_with_their_counts() -> None:
    page = _page(with_page(grouped_case()))
    for name in ("feature", "member", "cosine", "both", "feature_alone", "member_alone"):
        assert f'data-pointer="/results/axes/0/groups/0/{name}"' in page
    assert "editing 1 feature of toy_dictionary and 1 decoder neighbour" in page
    assert page.count("Edited with the kept features") == 1


@pytest.mark.parametrize("axis", [0, 1])
def test_a_refusal_direction_is_shown_beside_the_target(axis: int) -> None:
    page = _page(with_page(refusal_case()))
    for name in ("difference", "low", "high", "p"):
        assert f'data-pointer="/results/axes/{axis}/baselines/0/{name}"' in page
    assert "<td>Refusal direction</td>" in page
    assert "Beside the refusal direction, " in page
