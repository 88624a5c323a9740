"""Stage 10: a page shows the record's figures; it never enters the verdict it quotes."""

from __future__ import annotations

from safetycase.bundle import layout
from safetycase.methods.figures_on_page import PageFigures, page_differences, read_page
from safetycase.methods.samples import SAMPLES_NAME, as_document
from safetycase.verify.case import OpenedCase
from safetycase.verify.check import Family, Fault, NotApplicable, Run, told

REPORT = "report/case.html"

FAMILY = Family(
    "REN", "Renderings", "A page states the record's figures, and no others.",
    stage=10, tier="asserted", needs=("container", "statement"), absence_is_harmless=True,
    arises=lambda case: REPORT in case.container, unasked="the case holds no page",
)  # fmt: skip


def _page(case: OpenedCase) -> PageFigures:
    return read_page(case.container.read(REPORT), where=REPORT)


@FAMILY.check(
    1,
    proves="The page says that it is of this case.",
    cannot_prove="That the verdict which it quotes was given; verify the case yourself.",
    references=("design 3",),
    owns=("report/case.html: the case it names",),
    asks_policy=True,
)
def page_is_of_this_case(case: OpenedCase) -> Run:
    """The page names this case."""
    named = _page(case).case_id
    if named != case.case_id:
        yield Fault(REPORT, f"the case {case.case_id}", named)
    return 1


@FAMILY.check(
    2,
    needs=("record", "plan", "statement"),
    proves="Every figure that the page shows or lists is the record's value at the place it "
    "points to, in the fixed spelling; what it shows and what it lists are the same.",
    cannot_prove="That numbers outside such elements are the record's, that the prose is fair, "
    "or what styles hide.",
    references=("design 3", "question 27 (figures in prose)"),
    owns=("report/case.html: figures",),
    asks_policy=True,
)
def figures_are_the_records(case: OpenedCase) -> Run:
    """Every figure of the page is the record's."""
    page = _page(case)
    documents = {
        layout.RECORD_NAME: case.record_json,
        layout.PLAN_NAME: case.plan_json,
        SAMPLES_NAME: as_document(case.published_samples or ()),
    }
    yield from told(page_differences(page, documents), f"{REPORT} ")
    return len(page.listed)


@FAMILY.check(
    3,
    needs=("plan", "rows", "statement"),
    proves="The page shows the answers that the case's id draws, five of every evaluation "
    "under the baseline and under every target (all of them where there are fewer).",
    cannot_prove="That the author did not make cases until a good draw came: for that, have "
    "rows drawn by a nonce of your own (`safetycase replay`).",
    references=("question 32 (random sample)",
                "EU GPAI Code of Practice, measure 7.3(1)(f)"),
    owns=("report/case.html: drawn answers",),
    asks_policy=True,
)  # fmt: skip
def page_shows_the_drawn_answers(case: OpenedCase) -> Run:
    """The page shows the answers that the case's id draws."""
    samples = case.published_samples
    if samples is None:
        return NotApplicable("the answers are withheld")
    shown = {figure.pointer for figure in _page(case).shown}
    for number, sample in enumerate(samples):
        for part in ("input", "output", "outcome"):
            if f"{SAMPLES_NAME}#/{number}/{part}" not in shown:
                where = f"{REPORT}: {sample.evaluation} / {sample.arm}"
                yield Fault(where, f"{part} of {sample.item} ({sample.row})", "not shown")
    return len(samples)
