"""A drawn script on the page: the conversation up to its last answer, and that answer."""

from __future__ import annotations

from safetycase.report.samples_text import render_samples
from safetycase.verify.case import OpenedCase
from safetycase.verify.engine import verify
from tests.kit.builder import AT, policy, resign
from tests.kit.cases import PAGE, with_page
from tests.kit.turn_cases import pressed_case


def test_a_drawn_script_is_shown_as_it_was_said() -> None:
    made = resign(with_page(pressed_case()))
    assert verify(made.to_bytes(), policy(), at=AT).exit_code == 0
    opened = OpenedCase(made.to_bytes(), policy(), AT)
    drawn = [sample for sample in opened.samples if sample.evaluation == "ask"]
    assert drawn
    for sample in drawn:
        said = sample.input.split("\n\n")
        assert said[0].startswith("User: ")
        assert said[-1].startswith("User: ")
        assert [line.split(":")[0] for line in said[:3]] == ["User", "Assistant", "User"]
        assert not sample.output.startswith("[")
    page = made.members[PAGE].decode()
    assert "any of the answers to a script of several turns" in page
    assert "Assistant: " in page
    assert "Assistant: " in render_samples(opened.samples)
