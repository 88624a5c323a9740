"""The frozen plan meets the machine: model and dictionaries are loaded, and fit each other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from safetycase.digest import manifest_digest, tensor_root
from safetycase.record.case import DictionaryRecord
from safetycase.run.dictionaries.gemma_scope import (
    Dictionary,
    load_dictionary,
    require_fit,
)
from safetycase.run.environment import default_batch_rows, default_threads, environment
from safetycase.run.freeze import FrozenPlan
from safetycase.run.gguf_model import converted
from safetycase.run.measure import Bench
from safetycase.run.model import LoadedModel, load_model, make_deterministic
from safetycase.run.sources import digests


@dataclass(frozen=True)
class RunOptions:
    """What the machine may decide; none of it is part of the plan, all of it is recorded."""

    threads: int | None = None
    batch_rows: int | None = None
    attention: str = "sdpa"
    device: str = "cpu"


@dataclass(frozen=True)
class Bound:
    """The instruments, ready, and the identity of the weights that are in memory."""

    bench: Bench
    tensor_root: str


def bind(frozen: FrozenPlan, cache: Path, options: RunOptions) -> Bound:
    """Model and dictionaries in memory, of the digests that the plan names."""
    make_deterministic()
    plan = frozen.plan
    folder = frozen.model.folder
    if plan.model.format == "gguf":
        gguf = frozen.model.path_of("weights")[0]
        folder = converted(gguf, cache, digest=plan.model.manifest_digest)
    root = tensor_root(*sorted(folder.glob("*.safetensors")))
    model = load_model(
        folder, dtype=plan.model.dtype, attention=options.attention, device=options.device
    )
    threads = options.threads or default_threads(model.parameters)
    if threads is not None:
        torch.set_num_threads(threads)
    dictionaries = _dictionaries(frozen, model)
    rows = options.batch_rows or default_batch_rows(model.parameters)
    return Bound(Bench(plan, model, dictionaries, environment(model, batch_rows=rows)), root)


def _dictionaries(frozen: FrozenPlan, model: LoadedModel) -> dict[str, Dictionary]:
    loaded = {}
    for planned in frozen.plan.dictionaries:
        dictionary = load_dictionary(
            planned.id,
            frozen.dictionaries[planned.id].folder,
            layer=planned.layer,
            device=model.device,
        )
        model.block(planned.layer)
        require_fit(
            dictionary,
            model_name=frozen.plan.model.name,
            model_width=model.width,
            where=f"dictionary {planned.id}",
        )
        loaded[planned.id] = dictionary
    return loaded


def dictionary_records(
    frozen: FrozenPlan, dictionaries: dict[str, Dictionary]
) -> tuple[DictionaryRecord, ...]:
    """The dictionaries as they were used, in plan order."""
    return tuple(
        DictionaryRecord(
            id=planned.id,
            files=frozen.dictionaries[planned.id].files,
            manifest_digest=manifest_digest(digests(frozen.dictionaries[planned.id].files)),
            equation=planned.equation,
            hook=dictionaries[planned.id].config.hook,
            width=dictionaries[planned.id].config.width,
            model_width=dictionaries[planned.id].model_width,
            declared_l0=dictionaries[planned.id].config.declared_l0,
        )
        for planned in frozen.plan.dictionaries
    )
