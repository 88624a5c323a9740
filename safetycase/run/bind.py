"""The frozen plan meets the machine: model and dictionaries are loaded, and fit each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from safetensors import safe_open

from safetycase.digest import manifest_digest, tensor_root
from safetycase.errors import RunFailed
from safetycase.methods.equations import recorded
from safetycase.methods.judge import judged
from safetycase.methods.sites import places_of
from safetycase.record.case import DictionaryRecord
from safetycase.record.plan import Plan, PlannedDictionary
from safetycase.record.planned_evaluation import Judge
from safetycase.run.answers import Bench
from safetycase.run.chat import with_frame, with_system
from safetycase.run.device import DeviceMap, device_map_of, device_of
from safetycase.run.dictionaries.dictionary import Dictionary
from safetycase.run.dictionaries.fit import require_fit
from safetycase.run.dictionaries.layered import load
from safetycase.run.dictionaries.sound import require_sound
from safetycase.run.dictionaries.stacked import StackedDictionary
from safetycase.run.environment import default_batch_rows, default_threads, environment
from safetycase.run.freeze import FrozenPlan
from safetycase.run.gguf_model import converted
from safetycase.run.judge import JudgeOnHand
from safetycase.run.model import LoadedModel, load_model, make_deterministic, read_shape
from safetycase.run.shape import ModelShape
from safetycase.run.sites import require_site
from safetycase.run.sources import Source, digests


@dataclass(frozen=True)
class RunOptions:
    """What the machine may decide; none of it is part of the plan, all of it is recorded."""

    threads: int | None = None
    batch_rows: int | Literal["auto"] | None = None
    """Rows of a batch; `auto` is for a run to find, and until then by the model's size."""
    batch_rows_by: Literal["trial"] | None = None
    """Whether that number was found by trying."""
    attention: str | None = None
    """Which attention; none: scaled dot products where the architecture has them."""
    device: str = "cpu"
    device_map: DeviceMap | None = None
    """For a model that one device cannot hold: the map, or what `--device-map` says."""


@dataclass(frozen=True)
class Bound:
    """The instruments, ready, and the identity of the weights that are in memory."""

    bench: Bench
    tensor_root: str


def bind(frozen: FrozenPlan, cache: Path, options: RunOptions) -> Bound:
    """Model and dictionaries in memory, of the digests that the plan names.

    Dictionaries are looked at first: what does not fit the model, has other bytes than the plan
    names, or holds NaN is refused before the model is loaded.
    """
    make_deterministic()
    plan = frozen.plan
    folder = frozen.model.folder
    if plan.model.format == "gguf":
        gguf = frozen.model.path_of("weights")[0]
        folder = converted(gguf, cache, digest=plan.model.manifest_digest)
    _require_sound_dictionaries(frozen, read_shape(folder, plan.model.name))
    root = tensor_root(*sorted(folder.glob("*.safetensors")))
    model = load_model(
        folder,
        dtype=plan.model.dtype,
        attention=options.attention,
        device=device_of(options.device),
        device_map=None if options.device_map is None else device_map_of(options.device_map),
    )
    model = with_frame(model, plan.chat_template)
    _require_system_messages(plan, model)
    _require_finite(model, plan.model.name, folder)
    threads = options.threads or default_threads(model.parameters)
    if threads is not None:
        torch.set_num_threads(threads)
    dictionaries = _dictionaries(frozen, model)
    fixed = None if options.batch_rows == "auto" else options.batch_rows
    rows = fixed or default_batch_rows(model.parameters)
    judges = {
        evaluation.id: _judge(judge, frozen.judges[evaluation.id], cache, options, root)
        for evaluation, _, judge in judged(plan)
        if evaluation.id in frozen.judges
    }
    used = environment(model, batch_rows=rows, batch_rows_by=options.batch_rows_by)
    return Bound(Bench(plan, model, dictionaries, used, judges, frozen.value), root)


def _require_system_messages(plan: Plan, model: LoadedModel) -> None:
    """Return only if the chat template has a place for every baseline's system message."""
    for axis in plan.axes:
        if axis.baselines is not None and axis.baselines.system is not None:
            where = f"/axes {axis.id} /baselines/system"
            with_system(model, axis.baselines.system, where=where)


def _judge(
    judge: Judge, source: Source, cache: Path, options: RunOptions, subject: str
) -> JudgeOnHand:
    """A judge in memory; refused if it has the weights of the model that it is to judge."""
    folder = source.folder
    if judge.format == "gguf":
        folder = converted(source.path_of("weights")[0], cache, digest=judge.manifest_digest)
    root = tensor_root(*sorted(folder.glob("*.safetensors")))
    if root == subject:
        raise RunFailed(
            f"judge {judge.path}", "weights other than the model's", found="the same tensors"
        )
    model = load_model(
        folder,
        dtype=judge.dtype,
        attention=options.attention,
        device=device_of(options.device),
    )
    return JudgeOnHand(model, root)


def _require_finite(model: LoadedModel, name: str, folder: Path) -> None:
    for tensor, values in _tensors(model, folder):
        if not torch.isfinite(values).all():
            raise RunFailed(
                f"model {name}, {tensor}",
                "finite weights",
                found="NaN or infinity",
                remedy="The file is damaged, or was written by a training that went wrong.",
            )


def _tensors(model: LoadedModel, folder: Path) -> Iterator[tuple[str, torch.Tensor]]:
    """The weights: those in memory or, where a map leaves some on disk, those of the files."""
    if not any(weight.is_meta for weight in model.network.parameters()):
        yield from model.network.named_parameters()
        return
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, framework="pt") as opened:
            for tensor in opened.keys():  # noqa: SIM118  # it is no mapping
                yield tensor, opened.get_tensor(tensor)


def _require_sound_dictionaries(frozen: FrozenPlan, shape: ModelShape) -> None:
    for name, bound in frozen.dictionaries.items():
        where = f"dictionary {name}"
        require_fit(bound.specification, shape, where=where)
        require_sound(bound.specification, bound.files, bound.paths, where=where)


def _dictionaries(frozen: FrozenPlan, model: LoadedModel) -> dict[str, Dictionary]:
    """The plan's dictionaries by name, and its stacks, whose parts are these same ones."""
    loaded = {}
    for name, bound in frozen.dictionaries.items():
        loaded[name] = load(name, bound.specification, model.device)
        for where in (loaded[name].reads, loaded[name].writes):
            for place in places_of(where):
                require_site(model, place)
    stacks = {
        stack.id: StackedDictionary(stack.id, [loaded[part] for part in stack.parts])
        for stack in frozen.plan.stacks or ()
    }
    return {**loaded, **stacks}


def dictionary_records(
    frozen: FrozenPlan, dictionaries: dict[str, Dictionary]
) -> tuple[DictionaryRecord, ...]:
    """The dictionaries as they were used, in plan order."""
    return tuple(
        _dictionary_record(frozen, planned, dictionaries[planned.id])
        for planned in frozen.plan.dictionaries
    )


def _dictionary_record(
    frozen: FrozenPlan, planned: PlannedDictionary, dictionary: Dictionary
) -> DictionaryRecord:
    files = frozen.dictionaries[planned.id].files
    fields = {
        "id": planned.id,
        "files": files,
        "manifest_digest": manifest_digest(digests(files)),
        "width": dictionary.width,
        "model_width": dictionary.model_width,
        "declared_l0": dictionary.declared_l0,
    }
    return DictionaryRecord.model_validate(fields | recorded(frozen.plan, planned))
