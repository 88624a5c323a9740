"""The architecture of a model, told by the first bytes of its files.

A plan states it before anything is loaded; transformers reads the rest of the configuration.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

from safetycase import canonical
from safetycase.errors import RunFailed
from safetycase.methods.sites import architecture_of
from safetycase.record.sites import Architecture
from safetycase.run.sources import Source

_GGUF_KEY = b"general.architecture"
_STRING, _ARRAY = 8, 9
_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_MOST_KEYS = 1000
_LONGEST = 1 << 16
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
    """The value of `general.architecture` in a GGUF file, whose keys stand at its beginning.

    Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
    """
    where = path.name
    try:
        with path.open("rb") as file:
            magic, _, _, keys = struct.unpack("<4sIQQ", file.read(24))
            for _ in range(min(keys, _MOST_KEYS) if magic == b"GGUF" else 0):
                key, kind = _string(file), _number(file, "<I")
                if key == _GGUF_KEY and kind == _STRING:
                    name = _string(file).decode("utf-8")
                    return _GGUF_NAMES.get(name, name)
                _skip(file, kind)
    except (OSError, struct.error, UnicodeDecodeError, KeyError) as error:
        raise RunFailed(where, "the keys of a GGUF file", found=repr(error)) from None
    raise RunFailed(where, "a GGUF file that names its architecture", found="none named")


def _number(file: BinaryIO, form: str) -> int:
    return int(struct.unpack(form, file.read(struct.calcsize(form)))[0])


def _string(file: BinaryIO) -> bytes:
    length = _number(file, "<Q")
    if length > _LONGEST:
        raise struct.error(f"a string of {length} bytes")
    return file.read(length)


def _skip(file: BinaryIO, kind: int) -> None:
    if kind == _STRING:
        _string(file)
    elif kind == _ARRAY:
        inner, count = _number(file, "<I"), _number(file, "<Q")
        if inner in _SIZES:
            file.seek(_SIZES[inner] * count, 1)
            return
        for _ in range(count):
            _skip(file, inner)
    else:
        file.seek(_SIZES[kind], 1)
