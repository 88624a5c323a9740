"""The same page as PDF, by WeasyPrint, which fetches nothing."""

from __future__ import annotations

import warnings
from typing import Any

from safetycase.report import missing


def render_pdf(html: bytes) -> bytes:
    """The PDF of a rendered page, tagged, with bookmarks.

    Refused, with the way to mend it, where WeasyPrint or its system libraries are missing.
    Lines may break elsewhere with other fonts; nothing is fetched, whatever the page says.
    """
    weasyprint = _weasyprint()
    nothing = weasyprint.urls.URLFetcher(allowed_protocols=())
    document = weasyprint.HTML(string=html.decode(), url_fetcher=nothing)
    pdf: bytes = document.write_pdf(pdf_tags=True)
    return pdf


def _weasyprint() -> Any:  # noqa: ANN401  # WeasyPrint has no types
    try:
        with warnings.catch_warnings():
            # Its advice on other optional libraries is not for the reader of a report.
            warnings.simplefilter("ignore", DeprecationWarning)
            import weasyprint  # noqa: PLC0415  # costs a second and is often not installed
    except (ImportError, OSError) as error:
        raise missing.refusal("PDF", "WeasyPrint with Pango", error, missing.FOR_PDF) from None
    return weasyprint
