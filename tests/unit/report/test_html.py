"""The page shows the record's figures and the verdict, and nothing on it runs or loads."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from typing import Any

import pytest
from typing_extensions import override

from safetycase.canonical import read, write
from safetycase.errors import UsageError
from safetycase.methods.figures_on_page import page_differences, read_page
from safetycase.record.case import Case
from safetycase.record.plan import Plan
from safetycase.report.html import render_html
from safetycase.verify.outcome import WHAT_CANNOT_BE_KNOWN, Verdict
from tests.unit.report.sample import WEAK, case_of
from tests.unit.report.sample_plan import plan_data, plan_of
from tests.unit.report.sample_verdict import CASE_ID, POLICY_DIGEST, verdict_of

HOSTILE = "<script>alert(1)</script> </script> \" onload='x' {{ 7*7 }} \x1b[2J \u202egnp.exe"


@cache
def _plan() -> Plan:
    return plan_of(plan_data())


@cache
def _case(*, weak: bool = False) -> Case:
    return case_of(_plan(), {"awareness": WEAK} if weak else None)


def _html(verdict: Verdict | None = None, *, weak: bool = False) -> str:
    case = _case(weak=weak)
    chosen = verdict_of(case) if verdict is None else verdict
    return render_html(case, _plan(), chosen, CASE_ID).decode()


def _front(html: str) -> str:
    return html.partition('id="contents"')[0]


def _altered(pointer: str, value: Any) -> Case:
    data: Any = read(write(_case().spelled()), where="case")
    *path, last = pointer.split("/")[1:]
    place = data
    for step in path:
        place = place[int(step)] if isinstance(place, list) else place[step]
    place[int(last) if isinstance(place, list) else last] = value
    return Case.model_validate_json(write(data))


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def _tags(html: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = _Tags()
    parser.feed(html)
    return parser.tags


def test_every_figure_is_the_records_and_listed() -> None:
    page = read_page(_html().encode())
    documents = {
        "case.json": read(write(_case().spelled()), where="case"),
        "plan.json": read(write(_plan().spelled()), where="plan"),
    }
    assert list(page_differences(page, documents)) == []
    assert (page.case_id, page.policy_digest) == (CASE_ID, POLICY_DIGEST)
    assert len(page.listed) > 1000
    assert len(set(page.listed)) == len(page.listed)


def test_every_rate_and_condition_is_shown() -> None:
    shown = {figure.pointer for figure in read_page(_html().encode()).shown}
    for number, axis in enumerate(_case().results.axes):
        here = f"/results/axes/{number}"
        conditions = range(len(axis.claim.conditions))
        assert {f"{here}/claim/conditions/{i}/reason" for i in conditions} <= shown
        assert {f"{here}/comparisons/{i}/p" for i in range(len(axis.comparisons))} <= shown
        assert {f"{here}/arms/{i}/realised" for i in range(len(axis.arms))} <= shown
        assert {f"{here}/dose_response/0/points/{i}" for i in range(7)} <= shown


def test_the_same_arguments_give_the_same_bytes() -> None:
    assert _html() == _html()


@pytest.mark.parametrize("weak", [False, True])
def test_page_one_holds_claims_tiers_signers_and_what_is_not_shown(*, weak: bool) -> None:
    front = _front(_html(weak=weak))
    for result in _case(weak=weak).results.axes:
        assert result.claim.wording.replace("<", "&lt;") in front
    held = [result.claim.holds for result in _case(weak=weak).results.axes]
    assert re.findall(r'class="status (\w+)"', front) == [
        "holds" if holds else "fails" for holds in held
    ]
    assert front.count('class="reached here">recomputed<') == len(held)
    assert "Example Lab, safety team" in front
    assert POLICY_DIGEST in front
    assert CASE_ID in front
    for line in WHAT_CANNOT_BE_KNOWN:
        assert line.replace("'", "&#39;") in front


def test_a_re_execution_stands_with_its_claim() -> None:
    case = case_of(plan_of(plan_data()))
    verdict = verdict_of(case)
    told = "Re-executed by ann: none of 59 rows differs."
    claims = tuple(replace(claim, re_executed=(told,)) for claim in verdict.claims)
    page = render_html(case, plan_of(plan_data()), replace(verdict, claims=claims), CASE_ID)
    assert page.decode().count(told) == len(claims)


def test_what_lowers_a_tier_is_named_on_page_one() -> None:
    front = _front(_html())
    assert "Not <em>sound</em>" in front
    assert "PRO-003</a> (UNKNOWN): The case carries no third party&#39;s time" in front


@pytest.mark.parametrize(
    ("exit_code", "state"),
    [(0, "VERIFIED"), (1, "NOT VERIFIED"), (3, "UNDECIDED"), (4, "NOT JUDGED")],
)
def test_the_state_is_the_verdicts(exit_code: int, state: str) -> None:
    front = _front(_html(verdict_of(_case(), exit_code=exit_code)))
    assert f"<strong>{state}</strong>" in front


def test_a_claim_that_holds_is_not_stamped_where_the_verdict_does_not_carry_it() -> None:
    front = _front(_html(verdict_of(_case(), exit_code=1)))
    assert re.findall(r'class="status (\w+)"', front) == ["unsure", "fails"]


def test_recomputation_goes_before_the_record() -> None:
    claims = verdict_of(_case()).claims
    judged = (
        type(claims[0])("awareness", "intact", False, "No effect was shown.", ("STA-001",)),
        *claims[1:],
    )
    verdict = verdict_of(_case(), exit_code=1, claims=judged, decision_tier="no-release")
    front = _front(_html(verdict))
    assert "The record says: HOLDS" in front
    assert "recomputation gives: No effect was shown." in front
    assert "Recomputation gives another tier: <strong>no-release</strong>" in front


def test_failing_checks_stand_first() -> None:
    html = _html(verdict_of(_case(), exit_code=1))
    assert re.findall(r'id="check-([A-Z]{3}-\d{3})"', html) == [
        "STA-001",
        "PRO-003",
        "REN-001",
        "INT-002",
    ]
    assert "expected 140 of 220; found 141 of 220" in html


@pytest.mark.parametrize(
    "pointer",
    [
        "/title",
        "/subject/name",
        "/results/axes/0/claim/wording",
        "/results/axes/0/claim/conditions/3/reason",
        "/results/axes/0/identification/features/0/label/0",
        "/limitations/0",
        "/argument/0/text",
        "/deviations/0/what",
        "/subject/files/0/path",
        "/environment/platform",
    ],
)
def test_hostile_text_stays_text(pointer: str) -> None:
    case = _altered(pointer, HOSTILE)
    html = render_html(case, _plan(), verdict_of(case), CASE_ID).decode()
    clean = [tag for tag, _ in _tags(_html())]
    assert [tag for tag, _ in _tags(html)] == clean
    assert "alert(1)" in html
    assert "{{ 7*7 }}" in html
    assert not set(html) & {"\x1b", "\u202e"}
    assert "\\u202egnp.exe" in html


def test_hostile_text_of_the_verdict_stays_text() -> None:
    verdict = verdict_of(_case(), signers=(HOSTILE,), reason=HOSTILE, policy_name=HOSTILE)
    html = _html(verdict)
    assert [tag for tag, _ in _tags(html)] == [tag for tag, _ in _tags(_html())]
    assert not set(html) & {"\x1b", "\u202e"}


def test_extensions_are_shown_as_text() -> None:
    case = _altered("/extensions", {"</pre>": HOSTILE})
    html = render_html(case, _plan(), verdict_of(case), CASE_ID).decode()
    assert [tag for tag, _ in _tags(html)] == [tag for tag, _ in _tags(_html())]


def test_the_page_loads_and_runs_nothing() -> None:
    html = _html()
    tags = _tags(html)
    scripts = [attributes for tag, attributes in tags if tag == "script"]
    assert [script["type"] for script in scripts] == ["application/json"]
    assert not [tag for tag, _ in tags if tag in {"link", "img", "iframe", "object", "base"}]
    loading = {"src", "srcset", "action", "data", "style"}
    names = {name for _, attributes in tags for name in attributes}
    assert not names & loading
    assert not [name for name in names if name.startswith("on")]
    links = {attributes["href"] for _, attributes in tags if "href" in attributes}
    assert all(str(link).startswith("#") for link in links)
    policy = next(a["content"] for t, a in tags if t == "meta" and "http-equiv" in a)
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    assert "url(" not in html
    assert "@import" not in html


def test_inner_links_lead_somewhere() -> None:
    tags = _tags(_html())
    targets = {f"#{attributes['id']}" for _, attributes in tags if "id" in attributes}
    assert {attributes["href"] for _, attributes in tags if "href" in attributes} <= targets


def test_a_verdict_on_another_case_is_refused() -> None:
    verdict = verdict_of(_case(), case_id="0" * 64)
    with pytest.raises(UsageError) as refusal:
        render_html(_case(), _plan(), verdict, CASE_ID)
    assert refusal.value.found == "0" * 64


def test_results_of_other_axes_are_refused() -> None:
    case = _altered("/results/axes/0/axis", "other")
    with pytest.raises(UsageError) as refusal:
        render_html(case, _plan(), verdict_of(case), CASE_ID)
    assert refusal.value.found == "other, residual-harm"


def test_an_axis_with_little_in_it_still_has_a_page() -> None:
    case = _case()
    for name in ("rates", "comparisons", "controls", "dose_response", "arms"):
        case = case.model_copy(deep=True)
        data: Any = case.spelled()
        data["results"]["axes"][0][name] = []
        case = Case.model_validate_json(write(data))
    html = render_html(case, _plan(), verdict_of(case), CASE_ID)
    assert b'id="axis-0"' in html
