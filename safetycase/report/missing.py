"""What to do where the report's own libraries are not installed."""

from __future__ import annotations

from safetycase.errors import UsageError

FOR_HTML = "`pip install 'safetycase[report]'` brings what the report needs."
FOR_PDF = (
    "For the PDF: `apt-get install libpango-1.0-0 libpangoft2-1.0-0` and "
    "`pip install 'safetycase[report]'`; the HTML report needs no Pango."
)


def refusal(what: str, expected: str, error: Exception, remedy: str) -> UsageError:
    """The one line that says what is missing and how to get it."""
    found = str(error).strip().partition("\n")[0]
    return UsageError(what, expected, found=found or type(error).__name__, remedy=remedy)
