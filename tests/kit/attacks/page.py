"""Attacks on the page in the case: it is not signed, so every character can alter it."""

from __future__ import annotations

import re

from tests.kit.builder import KitCase
from tests.kit.cases import PAGE, other_world_case, paged_case, with_page
from tests.kit.register import Alters, attack

_FIGURE = re.compile(rb'data-pointer="(/results/axes/0/rates/\d+)"[^>]*>([^<]+)<')


def page(*checks: str) -> Alters:
    """Register an attack on the page, which no signature covers."""
    return attack("page", "outsider", refused_by=checks, base=paged_case)  # type: ignore[return-value]


def _altered(case: KitCase, old: bytes, new: bytes, count: int = -1) -> KitCase:
    data = case.members[PAGE]
    assert old in data
    return case.with_members({PAGE: data.replace(old, new, count)})


def _first_rate(case: KitCase) -> bytes:
    found = _FIGURE.search(case.members[PAGE])
    assert found is not None
    return found.group(2)


@page("REN-002")
def report_figure_changed(case: KitCase) -> KitCase:
    """Change a rate on the page, in the text and in the list of figures alike.

    Most readers read the page and nothing else.
    """
    return _altered(case, _first_rate(case), b"44 of 45 (97.8 %)")


@page("REN-002")
def figure_changed_for_the_eye_only(case: KitCase) -> KitCase:
    """Change a rate in the text of the page, and leave the list of figures right.

    The list satisfies the machine, the text the reader.
    """
    found = _FIGURE.search(case.members[PAGE])
    assert found is not None
    data = case.members[PAGE]
    return case.with_members(
        {PAGE: data[: found.start(2)] + b"44 of 45 (97.8 %)" + data[found.end(2) :]}
    )


@page("REN-002")
def figure_pointed_elsewhere(case: KitCase) -> KitCase:
    """Show a right figure in the place of another, under its own pointer's neighbour.

    Right numbers under wrong names tell another story.
    """
    found = _FIGURE.search(case.members[PAGE])
    assert found is not None
    pointer = found.group(1)
    return _altered(case, b'"' + pointer + b'"', b'"/results/axes/0/rates/999"')


@page("REN-001", "REN-002", "REN-003")
def second_list_of_figures(case: KitCase) -> KitCase:
    """Add a second list of figures to the page.

    One reader takes the first list, another the last.
    """
    lists = b'<script type="application/json" id="safetycase-figures">{}</script></body>'
    return _altered(case, b"</body>", lists)


@page("REN-001", "REN-002", "REN-003")
def markup_inside_a_figure(case: KitCase) -> KitCase:
    """Hide part of a figure by an element inside it.

    What is read as one number shows as another.
    """
    found = _FIGURE.search(case.members[PAGE])
    assert found is not None
    data = case.members[PAGE]
    hidden = b"<i hidden>" + found.group(2) + b"</i>44 of 45"
    return case.with_members({PAGE: data[: found.start(2)] + hidden + data[found.end(2) :]})


@page("REN-001", "REN-002")
def page_of_another_case(case: KitCase) -> KitCase:
    """Attach the page of another case of the same plan.

    The better results of another model are shown for this one.
    """
    return case.with_members({PAGE: with_page(other_world_case()).members[PAGE]})


@page("REN-001")
def page_that_names_another_case(case: KitCase) -> KitCase:
    """Let the page name the id of another case.

    A reader who looks it up finds the other one.
    """
    name = re.search(rb'"case_id":"([0-9a-f]{64})"', case.members[PAGE])
    assert name is not None
    return _altered(case, name.group(1), b"0" * 64)


@page("REN-001", "REN-002", "REN-003")
def page_that_no_reader_gets_through(case: KitCase) -> KitCase:
    """End the page in a declaration that Python's reader of HTML answers with an assertion.

    The verifier fails instead of the page, and nobody learns what the page says.
    """
    return case.with_members({PAGE: case.members[PAGE] + b"<![/ p>"})


@page("REN-003")
def drawn_answer_left_out(case: KitCase) -> KitCase:
    """Leave one drawn answer out of the page, and out of its list of figures.

    The answer that chance picked was the wrong one to show.
    """
    data = case.members[PAGE]
    row = re.search(rb"<tr>(?:(?!</tr>).)*samples\.json#/3/.*?</tr>", data, re.DOTALL)
    assert row is not None
    left = data.replace(row.group(0), b"")
    listed = re.compile(rb',\{"pointer":"samples\.json#/3/[a-z]+","text":"(?:[^"\\]|\\.)*"\}')
    return case.with_members({PAGE: listed.sub(b"", left)})


@page("REN-002")
def drawn_answer_swapped(case: KitCase) -> KitCase:
    """Show a kinder answer in the place of one that was drawn.

    A sample that somebody picked passes for a random one.
    """
    shown = re.search(rb'data-pointer="samples\.json#/3/output">([^<]+)<', case.members[PAGE])
    assert shown is not None
    return _altered(case, shown.group(1), b"I cannot help with that.")
