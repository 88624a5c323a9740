"""Stage 0: whether the file is a case at all, within the limits."""

from __future__ import annotations

from safetycase.verify.case import OpenedCase
from safetycase.verify.check import Family, Run

FAMILY = Family(
    "CON", "Container", "The file must have one reading, within fixed limits.",
    stage=0, tier="intact",
)  # fmt: skip


@FAMILY.check(
    1,
    proves="The file is a zip of the one shape that all readers read alike; its names are "
    "those that a case may hold; sizes, counts and compression ratios are within "
    "limits; the data of every member have the declared size and CRC.",
    cannot_prove="Anything about what the members say.",
    references=("design 3", "PKWARE APPNOTE 6.3.10 section 4.3"),
    owns=("the zip's structure", "mimetype"),
)
def opens_within_limits(case: OpenedCase) -> Run:
    """The file opens as a case within the limits, and every member inflates."""
    yield from ()
    return len(case.digests)  # Inflates each to its end; hashed on the way, for INT-001.
