"""Figures on a rendered page: how they are spelled there, and how they are read back.

Report and verifier both use this module. A page shows a figure in an element that carries
its place, `<span data-pointer="/results/axes/0/rates/3">41 of 220 (18.6 %)</span>`, and lists
all of them once more, as JSON, in `<script type="application/json" id="safetycase-figures">`.
A pointer is that of case.json, or `plan.json#/…`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser

from typing_extensions import override

from safetycase import canonical
from safetycase.errors import MalformedInput, MethodRefused, SafetyCaseError, TooLarge
from safetycase.methods.format import text_of
from safetycase.methods.gap import Gap

FIGURES_ID = "safetycase-figures"
POINTER = "data-pointer"
MAX_PAGE = 64 * 2**20
"""Largest page that is read, in bytes."""

_RECORD = "case.json"
_SHOWN = 80
_MAX_FIGURES = 200_000
_NOT_SHOWN = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})
_KEPT = frozenset("\n\t")

Documents = Mapping[str, canonical.JsonValue]
"""`case.json` and `plan.json`, as plain values."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A place in the record and the text that a page shows for it."""

    pointer: str
    text: str


@dataclass(frozen=True, slots=True)
class PageFigures:
    """What a page says: for which case and policy, the list it carries, and what it shows."""

    case_id: str
    policy_digest: str
    listed: tuple[Figure, ...]
    shown: tuple[Figure, ...]


def visible(text: str) -> str:
    r"""The text with every control, format and private-use character as a `\u` escape.

    Terminal escapes, bidirectional overrides, zero-width and tag characters would show a
    reader something else than the record says. New line and tab stay. Letters that merely
    look alike, and stacked combining marks, are not caught.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(char) for char in text)


def _escaped(char: str) -> str:
    if char in _KEPT or unicodedata.category(char) not in _NOT_SHOWN:
        return char
    code = ord(char)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def value_at(documents: Documents, pointer: str) -> canonical.JsonValue:
    """The value at `/…` of case.json or at `NAME#/…` of another document.

    Refused where the pointer (RFC 6901) leads nowhere; a list is entered by a plain number.
    """
    name, _, path = pointer.partition("#") if "#/" in pointer else (_RECORD, "", pointer)
    value = documents.get(name)
    for token in path.split("/")[1:]:
        step = token.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list) and _is_place(step, len(value)):
            value = value[int(step)]
        else:
            raise MethodRefused(f"{name}#{path}", "a stated value", found="nothing")
    return value


def _is_place(step: str, length: int) -> bool:
    plain = step.isascii() and step.isdigit() and str(int(step)) == step
    return plain and int(step) < length


def spelled(documents: Documents, pointer: str) -> str:
    """The text that a page must show for the value at this pointer, letter by letter."""
    return visible(text_of(pointer, value_at(documents, pointer)))


def read_page(page: bytes, *, where: str = "report/case.html") -> PageFigures:
    """Everything that a page says in figures.

    Refused if the page has no list of figures, more than one, or one that does not read; if
    an element with a figure holds another element. Says nothing of text outside of them, nor
    of what a style sheet hides.
    """
    if len(page) > MAX_PAGE:
        raise TooLarge(where, f"at most {MAX_PAGE} bytes", found=str(len(page)))
    try:
        text = page.decode("utf-8")
    except UnicodeDecodeError as error:
        found = f"{error.reason} at byte {error.start}"
        raise MalformedInput(where, "UTF-8", found=found) from None
    reader = _Reader(where)
    reader.read(text)
    if len(reader.lists) != 1:
        found = f"{len(reader.lists)} lists"
        raise MalformedInput(where, f"one list of figures, {FIGURES_ID}", found=found)
    return _page_of(reader, where)


def figures_in(html: str, *, where: str = "page") -> tuple[Figure, ...]:
    """Every figure that a page, or a part of one, shows, in its order."""
    reader = _Reader(where)
    reader.read(html)
    return tuple(reader.shown)


def _page_of(reader: _Reader, where: str) -> PageFigures:
    place = f"{where}#{FIGURES_ID}"
    value = canonical.read(reader.lists[0].encode(), where=place)
    keys = ("case_id", "policy_digest", "figures")
    head = canonical.as_object(value, where=place, required=keys)
    entries = canonical.as_array(head["figures"], where=place, max_items=_MAX_FIGURES)
    return PageFigures(
        case_id=canonical.as_text(head["case_id"], where=place),
        policy_digest=canonical.as_text(head["policy_digest"], where=place),
        listed=tuple(_figure(entry, place) for entry in entries),
        shown=tuple(reader.shown),
    )


def _figure(entry: canonical.JsonValue, where: str) -> Figure:
    fields = canonical.as_object(entry, where=where, required=("pointer", "text"))
    return Figure(
        canonical.as_text(fields["pointer"], where=where),
        canonical.as_text(fields["text"], where=where),
    )


def page_differences(page: PageFigures, documents: Documents) -> Iterator[Gap]:
    """Figures, listed or shown, that the record does not spell so; then shown ≠ listed."""
    told = dict.fromkeys((*page.listed, *page.shown))
    for figure in told:
        expected = _spelled_or_reason(documents, figure.pointer)
        if figure.text != expected:
            yield Gap(figure.pointer, expected, figure.text)
    listed, shown = frozenset(page.listed), frozenset(page.shown)
    for figure in told:
        if (figure in listed) != (figure in shown):
            place = "only listed" if figure in listed else "only shown"
            yield Gap(figure.pointer, "listed and shown", place)


def _spelled_or_reason(documents: Documents, pointer: str) -> str:
    try:
        return spelled(documents, pointer)
    except SafetyCaseError as refusal:
        return f"no figure ({refusal})"


class _Reader(HTMLParser):
    """Collects the text of every element with a pointer, and the list of figures."""

    def __init__(self, where: str) -> None:
        """Start with nothing collected."""
        super().__init__(convert_charrefs=True)
        self.shown: list[Figure] = []
        self.lists: list[str] = []
        self._where = where
        self._pointer: str | None = None
        self._in_list = False
        self._text: list[str] = []

    def read(self, text: str) -> None:
        """Read a whole page; refused where Python's reader of HTML gives up."""
        try:
            self.feed(text)
            self.close()
        except AssertionError as error:
            # CPython's parser answers some malformed declarations, such as `<![/`, with this.
            raise MalformedInput(self._where, "HTML", found=str(error)[:_SHOWN]) from None

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._pointer is not None:
            raise MalformedInput(
                self._where, f"only text in the figure {self._pointer}", found=f"<{tag}>"
            )
        given = dict(attrs)
        self._in_list = tag == "script" and given.get("id") == FIGURES_ID
        if self._in_list:
            self._text = []
        elif POINTER in given:
            self._pointer, self._text = given[POINTER] or "", []

    @override
    def handle_endtag(self, tag: str) -> None:
        if self._in_list:
            self.lists.append("".join(self._text))
            self._in_list = False
        elif self._pointer is not None:
            self.shown.append(Figure(self._pointer, "".join(self._text)))
            self._pointer = None

    @override
    def handle_data(self, data: str) -> None:
        if self._in_list or self._pointer is not None:
            self._text.append(data)
