"""Stage 10: a page shows the record's figures; it never enters the verdict it quotes."""

from __future__ import annotations

from html.parser import HTMLParser

from typing_extensions import override

from safetycase import canonical
from safetycase.errors import MalformedInput
from safetycase.methods import format as spell
from safetycase.verify.case import OpenedCase
from safetycase.verify.check import Family, Fault, NotApplicable, Run

FAMILY = Family("REN", "Renderings", "A page states the record's figures, and no others.")

REPORT = "report/case.html"
FIGURES_ID = "safetycase-figures"
_VOID = frozenset({"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta",
                   "source", "track", "wbr"})  # fmt: skip
_ABSENT = NotApplicable("the case holds no page")


class _Page(HTMLParser):
    """The figures that a page lists, and the text of every element with a data-pointer."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.lists: list[str] = []
        self.shown: list[tuple[str, str]] = []
        self._listing = False
        self._open: list[tuple[str, str | None, list[str]]] = []

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        fields = dict(attrs)
        if tag == "script" and fields.get("id") == FIGURES_ID:
            self._listing = True
            self.lists.append("")
        if tag not in _VOID:
            self._open.append((tag, fields.get("data-pointer"), []))

    @override
    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self._listing = False
        while self._open:
            name, pointer, pieces = self._open.pop()
            if pointer is not None:
                self.shown.append((pointer, " ".join("".join(pieces).split())))
            if name == tag:
                return

    @override
    def handle_data(self, data: str) -> None:
        if self._listing:
            self.lists[-1] += data
        for _, pointer, pieces in self._open:
            if pointer is not None:
                pieces.append(data)


def _page(case: OpenedCase) -> _Page:
    try:
        text = str(case.container.read(REPORT), "utf-8")
    except UnicodeDecodeError as error:
        raise MalformedInput(REPORT, "UTF-8", found=error.reason) from None
    page = _Page()
    page.feed(text)
    page.close()
    return page


@FAMILY.check(
    1,
    stage=10,
    tier="asserted",
    needs=("record", "statement"),
    proves="The page names this case, and every figure that it lists is the record's value, in "
    "the fixed spelling.",
    cannot_prove="That the page's prose is fair, or that the page lists all its figures.",
    references=("design 3", "question 27 (figures in prose)"),
    owns=("report/case.html: the list of figures",),
    absence_is_harmless=True,
    asks_policy=True,
)
def listed_figures_are_the_records(case: OpenedCase) -> Run:
    """Every figure that the page lists is the record's."""
    if REPORT not in case.container:
        return _ABSENT
    page = _page(case)
    if len(page.lists) != 1:
        yield Fault(REPORT, f"one script {FIGURES_ID}", f"{len(page.lists)}")
        return 1
    where = f"{REPORT}#{FIGURES_ID}"
    value = canonical.read(page.lists[0].encode(), where=where)
    listed = canonical.as_object(
        value, where=where, required=("case_id", "figures"), optional=None
    )
    if listed["case_id"] != case.case_id:
        yield Fault(f"{where}/case_id", case.case_id, str(listed["case_id"]))
    figures = canonical.as_array(listed["figures"], where=f"{where}/figures", max_items=10**6)
    for number, figure in enumerate(figures):
        place = f"{where}/figures/{number}"
        fields = canonical.as_object(figure, where=place, required=("pointer", "text"))
        pointer = canonical.as_text(fields["pointer"], where=f"{place}/pointer")
        yield from _figure_fault(case, place, pointer, str(fields["text"]))
    return len(figures)


def _figure_fault(case: OpenedCase, place: str, pointer: str, text: str) -> Run:
    wanted = spell.text_of(pointer, case.stated(pointer))
    if text != " ".join(wanted.split()):
        yield Fault(place, f"{wanted}, the record's {pointer}", text)
    return 1


@FAMILY.check(
    2,
    stage=10,
    tier="asserted",
    needs=("record", "statement"),
    proves="Every element of the page that points into the record shows the record's value, in "
    "the fixed spelling.",
    cannot_prove="That numbers outside such elements are the record's, or what styles hide.",
    references=("design 3", "question 27 (figures in prose)"),
    owns=("report/case.html: elements with data-pointer",),
    absence_is_harmless=True,
    asks_policy=True,
)
def shown_figures_are_the_records(case: OpenedCase) -> Run:
    """Every figure that the page shows is the record's."""
    if REPORT not in case.container:
        return _ABSENT
    shown = _page(case).shown
    for number, (pointer, text) in enumerate(shown):
        yield from _figure_fault(case, f"{REPORT} element {number}", pointer, text)
    return len(shown)
