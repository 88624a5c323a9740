"""The same page as PDF, by WeasyPrint, which fetches nothing."""

from __future__ import annotations

from typing import Any, NoReturn

from safetycase.errors import UsageError

REMEDY = (
    "For the PDF: `apt-get install libpango-1.0-0 libpangoft2-1.0-0` and "
    "`pip install 'safetycase[report]'`; the HTML report needs neither."
)


def render_pdf(html: bytes) -> bytes:
    """The PDF of a rendered page, tagged, with bookmarks.

    Refused, with the way to mend it, where WeasyPrint or its system libraries are missing.
    Lines may break elsewhere with other fonts; nothing is fetched, whatever the page says.
    """
    weasyprint = _weasyprint()
    document = weasyprint.HTML(string=html.decode(), url_fetcher=_fetch_nothing)
    pdf: bytes = document.write_pdf(pdf_tags=True)
    return pdf


def _weasyprint() -> Any:  # noqa: ANN401  # WeasyPrint has no types
    try:
        import weasyprint  # noqa: PLC0415  # costs a second and is often not installed
    except (ImportError, OSError) as error:
        found = str(error).strip().partition("\n")[0]
        raise UsageError("PDF", "WeasyPrint with Pango", found=found, remedy=REMEDY) from None
    return weasyprint


def _fetch_nothing(url: str, *_arguments: object, **_options: object) -> NoReturn:
    raise UsageError("PDF", "a page that loads nothing", found=url)
