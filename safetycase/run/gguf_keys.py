"""Texts that stand at the beginning of a GGUF file, read without its tensors.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

from safetycase.errors import RunFailed

_STRING, _ARRAY = 8, 9
_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_MOST_KEYS = 1000
_LONGEST = 1 << 20


def gguf_text(path: Path, key: str) -> str | None:
    """The text under a key; none if there is no such key. Refused: not a GGUF file."""
    try:
        with path.open("rb") as file:
            magic, _, _, keys = struct.unpack("<4sIQQ", file.read(24))
            if magic != b"GGUF":
                raise RunFailed(path.name, "a GGUF file", found=repr(magic))
            for _ in range(min(keys, _MOST_KEYS)):
                name, kind = _string(file), _number(file, "<I")
                if name == key.encode() and kind == _STRING:
                    return _string(file).decode("utf-8")
                _skip(file, kind)
    except (OSError, struct.error, UnicodeDecodeError, KeyError) as error:
        raise RunFailed(path.name, "the keys of a GGUF file", found=repr(error)) from None
    return None


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
