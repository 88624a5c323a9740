"""The architecture of a model, told by the first bytes of its files.

A plan states it before anything is loaded; transformers reads the rest of the configuration.
"""

from __future__ import annotations

from pathlib import Path

from safetycase import canonical
from safetycase.errors import RunFailed
from safetycase.methods.sites import architecture_of
from safetycase.record.sites import Architecture
from safetycase.run.gguf_keys import gguf_text
from safetycase.run.sources import Source

_GGUF_NAMES = {"gptneox": "gpt_neox"}


def stated_architecture(model: Source, file_format: str, *, where: str) -> Architecture:
    """The architecture of a model's files; one that is not known here is refused."""
    if file_format == "gguf":
        return architecture_of(_of_gguf(model.path_of("weights")[0]), where=where)
    config = model.folder / "config.json"
    if not config.is_file():
        raise RunFailed(where, "a file config.json", found="none")
    fields = canonical.as_object(
        canonical.read(config.read_bytes(), where="config.json"),
        where="config.json",
        optional=None,
    )
    text = fields.get("text_config")
    if isinstance(text, dict) and "model_type" in text:
        fields = text
    name = canonical.as_text(fields.get("model_type"), where="config.json#/model_type")
    return architecture_of(name, where=where)


def _of_gguf(path: Path) -> str:
    """The value of `general.architecture` in a GGUF file."""
    name = gguf_text(path, "general.architecture")
    if name is None:
        raise RunFailed(
            path.name, "a GGUF file that names its architecture", found="none named"
        )
    return _GGUF_NAMES.get(name, name)
