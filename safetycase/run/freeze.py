"""A written plan becomes a fixed one: digests filled in, faults refused, bytes canonical.

What was filled in is measured from the files; what was written and differs is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from safetycase import canonical
from safetycase.canonical import JsonValue
from safetycase.digest import hash_file, manifest_digest, sha256_hex
from safetycase.errors import MalformedInput, PlanRefused
from safetycase.methods.governance import own_system_gaps, tokenizer_digest
from safetycase.methods.judge import judged
from safetycase.methods.lint import lint
from safetycase.methods.refusals import refusals
from safetycase.methods.stream import case_seed
from safetycase.record.case import ModelFile
from safetycase.record.plan import Plan, PlannedDictionary
from safetycase.record.randomness import Randomness
from safetycase.record.sites import Architecture
from safetycase.record.yaml_text import read_yaml
from safetycase.run.architecture import stated_architecture
from safetycase.run.dictionaries.registry import specify
from safetycase.run.dictionaries.specification import Specification, Stated
from safetycase.run.plan_file import as_plan, with_lexicons
from safetycase.run.sources import (
    Source,
    digests,
    locate_dataset,
    locate_model,
    open_dictionary,
)
from safetycase.run.stated_template import stated_template
from safetycase.tables.evidence import Items

_UNKNOWN = "0" * 64
_Object = dict[str, JsonValue]


@dataclass(frozen=True)
class FrozenPlan:
    """A plan as it will be measured, with the files that it names."""

    plan: Plan
    data: bytes
    digest: str
    model: Source
    dictionaries: dict[str, BoundDictionary]
    datasets: dict[str, Path]
    judges: Mapping[str, Source] = field(default_factory=dict)
    """Files of the models that read answers, by the evaluation whose answers they read."""
    randomness: Randomness | None = None
    """The value that the plan waits for, once it is known."""
    statements: Mapping[str, bytes] = field(default_factory=dict)
    """What others have signed about the plan, by name in the case."""

    @property
    def value(self) -> str | None:
        """The value alone."""
        return None if self.randomness is None else self.randomness.value

    @property
    def seed(self) -> str:
        """What draws and splits derive from: of the plan alone until the value is known."""
        return case_seed(self.digest, self.value)


@dataclass(frozen=True)
class BoundDictionary:
    """A dictionary's files, digested, and what they say of it."""

    specification: Specification
    files: tuple[ModelFile, ...]
    paths: dict[str, Path]


def freeze(path: Path) -> FrozenPlan:
    """The plan at `path` with every digest measured; refused if it cannot support its claims.

    Refuses with MalformedInput (not YAML), PlanRefused (fields, digests that differ, lint) or
    RunFailed (files that are not there). Files are looked for relative to the plan.
    """
    where = path.name
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise MalformedInput(str(path), "a readable plan in UTF-8", found=str(error)) from None
    value = with_lexicons(read_yaml(text, where=where))
    stated = as_plan(_with_placeholders(value), where=where)
    _refuse(lint(stated), where)
    sources = _locate(stated, path.parent, where)
    plan = as_plan(_with_digests(value, sources, where), where=where)
    _refuse(refusals(plan, sources.model.files), where)
    data = canonical.write(plan.spelled())
    return FrozenPlan(
        plan,
        data,
        sha256_hex(data),
        sources.model,
        sources.dictionaries,
        sources.datasets,
        sources.judges,
    )


def require_as_released(frozen: FrozenPlan, items: Items) -> None:
    """Return only if no claim about the release rests on items that are asked otherwise."""
    gaps = own_system_gaps(frozen.plan, items)
    faults = [f"{gap.where}: {gap.sentence}" for gap in gaps if not gap.silent]
    _refuse(faults, frozen.plan.id)


def _refuse(faults: Sequence[str], where: str) -> None:
    if faults:
        raise PlanRefused(where, "a plan that can reach its claims", found=" ".join(faults))


@dataclass(frozen=True)
class _Sources:
    model: Source
    architecture: Architecture
    template: str | None
    """SHA-256 of the chat template, if the plan puts prompts by it."""
    dictionaries: dict[str, BoundDictionary]
    datasets: dict[str, Path]
    judges: dict[str, Source]


def _locate(plan: Plan, beside: Path, where: str) -> _Sources:
    datasets = {
        each.id: locate_dataset(each.path, beside, where=f"{where}#/datasets/{number}/path")
        for number, each in enumerate(plan.datasets)
    }
    model = locate_model(
        plan.model.path, plan.model.format, beside, where=f"{where}#/model/path"
    )
    architecture = stated_architecture(
        model, plan.model.format, where=f"{where}#/model/architecture"
    )
    return _Sources(
        model=model,
        architecture=architecture,
        template=None
        if plan.chat_template is None
        else stated_template(model, plan.model.format, where=f"{where}#/chat_template"),
        dictionaries={
            each.id: bound_dictionary(
                each, architecture, beside, where=f"{where}#/dictionaries/{number}/path"
            )
            for number, each in enumerate(plan.dictionaries)
        },
        datasets=datasets,
        judges={
            evaluation.id: locate_model(
                judge.path,
                judge.format,
                beside,
                where=f"{where}#/evaluations {evaluation.id} /measure/judge/path",
            )
            for evaluation, _, judge in judged(plan)
        },
    )


def bound_dictionary(
    planned: PlannedDictionary, architecture: Architecture, beside: Path, *, where: str
) -> BoundDictionary:
    """The files of a planned dictionary; refused if they do not say what the plan says."""
    folder = open_dictionary(planned.path, beside, where=where)
    stated = Stated(
        name=planned.id,
        equation=planned.equation,
        site=planned.site,
        layer=planned.layer,
        layers=planned.layers,
        l0=planned.l0,
        made_for=planned.made_for,
        architecture=architecture,
    )
    specification = specify(folder, stated)
    return BoundDictionary(specification, folder.files, folder.paths)


def _digested_parts(value: _Object) -> list[tuple[_Object, str, str]]:
    """The parts of a plan that carry a digest, the name of that key, and their place."""
    parts: list[tuple[JsonValue, str, str]] = [
        (value.get("model"), "manifest_digest", "/model"),
        (value.get("chat_template"), "sha256", "/chat_template"),
    ]
    for name, key in (("dictionaries", "manifest_digest"), ("datasets", "sha256")):
        listed = value.get(name)
        for number, part in enumerate(listed if isinstance(listed, list) else []):
            parts.append((part, key, f"/{name}/{number}"))
    evaluations = value.get("evaluations")
    for number, part in enumerate(evaluations if isinstance(evaluations, list) else []):
        measure = part.get("measure") if isinstance(part, dict) else None
        judge = measure.get("judge") if isinstance(measure, dict) else None
        parts.append((judge, "manifest_digest", f"/evaluations/{number}/measure/judge"))
    return [(part, key, place) for part, key, place in parts if isinstance(part, dict)]


def _copy(value: _Object) -> _Object:
    return cast("_Object", canonical.read(canonical.write(value), where="plan"))


def _with_placeholders(value: _Object) -> _Object:
    """The plan as it can be validated before anything is hashed."""
    filled = _copy(value)
    for part, key, _ in _digested_parts(filled):
        part.setdefault(key, _UNKNOWN)
    _state_released(filled, _UNKNOWN, None)
    return filled


def _state_released(value: _Object, model: str, tokenizer: str | None) -> None:
    """A release that names no files is that of the files that are measured."""
    release = value.get("release")
    configuration = release.get("configuration") if isinstance(release, dict) else None
    if isinstance(configuration, dict):
        configuration.setdefault("model", model)
        configuration.setdefault("tokenizer", tokenizer)


def _with_digests(value: _Object, sources: _Sources, where: str) -> _Object:
    """The plan with what was measured; what was written before and differs is refused."""
    filled = _copy(value)
    _fill(
        cast("_Object", filled["model"]),
        "architecture",
        sources.architecture,
        f"{where}#/model",
        "the architecture that the model's files state",
    )
    measured = [manifest_digest(digests(sources.model.files))]
    measured += [] if sources.template is None else [sources.template]
    measured += [manifest_digest(digests(s.files)) for s in sources.dictionaries.values()]
    measured += [hash_file(file).sha256 for file in sources.datasets.values()]
    measured += [manifest_digest(digests(s.files)) for s in sources.judges.values()]
    for (part, key, place), digest in zip(_digested_parts(filled), measured, strict=True):
        _fill(part, key, digest, f"{where}#{place}", "the digest of the files")
    _state_released(filled, measured[0], tokenizer_digest(sources.model.files))
    return filled


def _fill(part: _Object, field: str, measured: str, where: str, what: str) -> None:
    written = part.setdefault(field, measured)
    if written != measured:
        raise PlanRefused(
            f"{where}/{field}",
            f"{what}, {measured}",
            found=str(written),
            remedy="The files changed since the plan was written; leave the field out to "
            "fix what is there now.",
        )
