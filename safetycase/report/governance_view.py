"""What a case says of its time, release and trust, as the pages show it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import BaseModel

from safetycase.record.governance import Declarations
from safetycase.report.source import Shown, Source
from safetycase.report.words import in_words


@dataclass(frozen=True, slots=True)
class Said:
    """A named statement with its texts, or none where nothing is said."""

    name: str
    values: tuple[Shown, ...]


@dataclass(frozen=True, slots=True)
class ConfigurationRow:
    """A part of the model, as measured and as released."""

    name: str
    tested: Shown | None
    released: Shown | None
    differs: bool


@dataclass(frozen=True, slots=True)
class Declared:
    """A part of what must be taken on trust."""

    name: str
    entries: tuple[Said, ...]
    """Nothing where the plan is silent."""


@dataclass(frozen=True, slots=True)
class GovernanceView:
    """Time, release and trust."""

    lifecycle: tuple[Said, ...]
    configuration: tuple[ConfigurationRow, ...]
    safeguards: tuple[tuple[Shown, Shown], ...]
    """Axis and mode of every released safeguard."""
    callers_write_system: bool
    """Whether callers of the release may write the system message."""
    declared: tuple[Declared, ...]


def governance_view(source: Source) -> GovernanceView:
    """What the plan states beside its measurements."""
    release = source.plan.release
    guards = range(0 if release is None else len(release.safeguards))
    here = "/release/safeguards"
    return GovernanceView(
        lifecycle=tuple(_fields(source, "/lifecycle", source.plan.lifecycle)),
        configuration=tuple(_configuration(source)),
        safeguards=tuple(
            (source.planned(f"{here}/{n}/axis"), source.planned(f"{here}/{n}/mode"))
            for n in guards
        ),
        callers_write_system=release is not None and bool(release.callers_write_system),
        declared=tuple(_declared(source)),
    )


def _fields(source: Source, here: str, part: BaseModel | None) -> Iterator[Said]:
    for name, value in {} if part is None else part:
        place = f"{here}/{name}"
        if isinstance(value, tuple):
            texts = tuple(source.planned(f"{place}/{n}") for n in range(len(value)))
            yield Said(in_words(name), texts)
        else:
            texts = () if value is None else (source.planned(place),)
            yield Said(in_words(name), texts)


def _configuration(source: Source) -> Iterator[ConfigurationRow]:
    subject, release = source.case.subject, source.plan.release
    if subject.tested is None:
        return
    for name, tested in subject.tested:
        released = release and getattr(release.configuration, name)
        place = f"/release/configuration/{name}"
        yield ConfigurationRow(
            name=in_words(name),
            tested=source.show_stated(f"/subject/tested/{name}"),
            released=source.planned(place) if released is not None else None,
            differs=release is not None and released != tested,
        )


def _declared(source: Source) -> Iterator[Declared]:
    said = source.plan.declarations
    for name in Declarations.model_fields:
        part = None if said is None else getattr(said, name)
        yield Declared(in_words(name), tuple(_fields(source, f"/declarations/{name}", part)))
