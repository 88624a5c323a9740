"""A GGUF file becomes a folder of safetensors, once; reading it again takes seconds.

The conversion is dequantisation by transformers: the case is about the numbers that come out,
and says so by their tensor root.
"""

from __future__ import annotations

import os
import shutil
import struct
import tempfile
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from safetycase.digest import tensor_root
from safetycase.errors import RunFailed

_MARK = "tensor-root.txt"


def converted(gguf: Path, cache: Path, *, digest: str) -> Path:
    """The folder under `cache` that holds the dequantised model and its tokenizer.

    Made if it is not there, whole or not at all; one that was changed since is refused.
    """
    folder = cache / f"gguf-{digest[:16]}"
    if folder.is_dir():
        _require_unchanged(folder)
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix="gguf-", dir=cache))
    try:
        _convert(gguf, draft)
        (draft / _MARK).write_text(tensor_root(*sorted(draft.glob("*.safetensors"))), "ascii")
        os.replace(draft, folder)  # noqa: PTH105  # a folder onto a name that is free
    except OSError:
        if not folder.is_dir():
            raise
        _require_unchanged(folder)  # another worker of this machine was first
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return folder


def _require_unchanged(folder: Path) -> None:
    root = tensor_root(*sorted(folder.glob("*.safetensors")))
    mark = folder / _MARK
    if not mark.is_file() or mark.read_text("ascii") != root:
        raise RunFailed(
            folder.name,
            "the tensors of the first conversion",
            found=f"root {root}",
            remedy=f"Delete the folder {folder.name} of the cache and run again.",
        )


def _convert(gguf: Path, draft: Path) -> None:
    try:
        loaded = AutoModelForCausalLM.from_pretrained(
            gguf.parent, gguf_file=gguf.name, dtype=torch.float32, local_files_only=True
        )
        tokenizer = AutoTokenizer.from_pretrained(
            gguf.parent, gguf_file=gguf.name, local_files_only=True
        )
    except (OSError, ValueError, KeyError, ImportError, struct.error) as error:
        raise RunFailed(gguf.name, "a GGUF file of a known model", found=str(error)) from None
    config = loaded.config
    # A model marked as quantised refuses to be saved; what is saved here no longer is.
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    plain = type(loaded)(config)
    plain.load_state_dict(loaded.state_dict())
    plain.save_pretrained(draft)
    tokenizer.save_pretrained(draft)
