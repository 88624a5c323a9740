"""System messages on the page: a baseline's own, and those that callers may write."""

from __future__ import annotations

from tests.kit.cases import PAGE, chatting_case, with_page
from tests.kit.turn_cases import directed_case

CALLERS = "Callers of the release may write a system message of their own"


def test_a_system_prompt_stands_among_the_simpler_interventions_with_its_text() -> None:
    page = with_page(chatting_case()).members[PAGE].decode()
    assert "/results/axes/0/arms/" in page
    text = page.partition("Nobody is watching.")[0].rpartition("data-pointer=")[2]
    assert text.endswith('/system">')
    assert "Beside a system prompt, " in page
    assert CALLERS not in page


def test_the_page_says_that_callers_may_write_the_system_message() -> None:
    assert CALLERS in with_page(directed_case()).members[PAGE].decode()
