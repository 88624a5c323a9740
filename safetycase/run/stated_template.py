"""The chat template of a model, told by its files before anything is loaded."""

from __future__ import annotations

import msgspec

from safetycase.digest import sha256_hex
from safetycase.errors import RunFailed
from safetycase.run.gguf_keys import gguf_text
from safetycase.run.sources import Source

_REMEDY = "Leave chat_template out of the plan, or take a model that was trained on one."


def stated_template(model: Source, file_format: str, *, where: str) -> str:
    """SHA-256 of the chat template that a model's files hold; nothing is loaded.

    Refused if there is none, or if the tokenizer's configuration lists several.
    """
    template: object = None
    if file_format == "gguf":
        template = gguf_text(model.path_of("weights")[0], "tokenizer.chat_template")
    elif (model.folder / "chat_template.jinja").is_file():
        template = (model.folder / "chat_template.jinja").read_text("utf-8")
    elif (file := model.folder / "tokenizer_config.json").is_file():
        # other programs write it, with numbers that canonical JSON has not
        held = msgspec.json.decode(file.read_bytes())
        template = held.get("chat_template") if isinstance(held, dict) else None
    if not isinstance(template, str):
        found = "several" if template else "none"
        raise RunFailed(where, "files with one chat template", found=found, remedy=_REMEDY)
    return sha256_hex(template.encode())
