"""Features of several dictionaries on the page: each with its own dictionary and number."""

from __future__ import annotations

import re

from tests.kit.block_cases import PARTS, stacked_case
from tests.kit.builder import honest_case
from tests.kit.cases import PAGE, with_page
from tests.kit.toy_world import WIDTH


def test_a_feature_is_named_by_its_own_dictionary() -> None:
    page = with_page(stacked_case()).members[PAGE].decode()
    cells = re.findall(r'<tr><td class="n">(.*?)</td>', page)
    named = [re.sub(r"<[^>]+>", " ", cell).split() for cell in cells if " / " in cell]
    assert len(named) == 4
    for number, dictionary, _, own in named:
        part = list(PARTS).index(dictionary)
        assert int(number) == int(own) + part * WIDTH // 2
    assert {dictionary for _, dictionary, *_ in named} == set(PARTS)
    assert "dictionary / its feature" in page
    alone = with_page(honest_case()).members[PAGE].decode()
    assert "dictionary / its feature" not in alone
