"""What the pages may quote: values of record and plan, each with its place and its one text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from safetycase import canonical
from safetycase.errors import MethodRefused
from safetycase.methods.figures_on_page import Documents, spelled, value_at
from safetycase.methods.samples import SAMPLES_NAME, Sample, as_document
from safetycase.record.case import Case
from safetycase.record.plan import Plan


@dataclass(frozen=True, slots=True)
class Shown:
    """A figure or sentence as the page shows it, with its place in the record."""

    pointer: str
    text: str


class Source:
    """Record and plan as plain values, from which every text with a pointer comes."""

    def __init__(self, case: Case, plan: Plan, samples: tuple[Sample, ...] = ()) -> None:
        """Keep all as JSON values, as canonical JSON would spell them."""
        self.case = case
        self.plan = plan
        self.samples = samples
        self.documents: Documents = {
            "case.json": _values(case),
            "plan.json": _values(plan),
            SAMPLES_NAME: as_document(samples),
        }

    def show(self, pointer: str) -> Shown:
        """The text for the value at the pointer; refused where there is none."""
        return Shown(pointer, spelled(self.documents, pointer))

    def show_stated(self, pointer: str) -> Shown | None:
        """The same, or none where the record states nothing."""
        return None if self._stated(pointer) is None else self.show(pointer)

    def show_each(self, pointer: str) -> tuple[Shown, ...]:
        """The texts of the entries of a list; none where the record states nothing."""
        entries = self._stated(pointer)
        count = len(entries) if isinstance(entries, Sequence) else 0
        return tuple(self.show(f"{pointer}/{number}") for number in range(count))

    def _stated(self, pointer: str) -> canonical.JsonValue:
        try:
            return value_at(self.documents, pointer)
        except MethodRefused:
            return None

    def drawn(self, number: int, part: str) -> Shown:
        """A part of a drawn answer, by the answer's number from 0."""
        return self.show(f"{SAMPLES_NAME}#/{number}/{part}")

    def planned(self, pointer: str) -> Shown:
        """The text for a value of plan.json."""
        return self.show(f"plan.json#{pointer}")


def _values(model: Case | Plan) -> canonical.JsonValue:
    return canonical.read(canonical.write(model.spelled()), where="record")
