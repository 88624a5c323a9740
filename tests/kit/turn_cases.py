"""Honest cases of the toy whose requests are scripts of several turns."""

from __future__ import annotations

from functools import cache

from safetycase.digest import sha256_hex
from tests.kit.builder import Json, KitCase, build_case
from tests.kit.toy_plan import toy_plan


def pressed_plan(graded: str = "any") -> Json:
    """The toy plan, whose requests are pressed over two or three turns."""
    plan = toy_plan()
    scripts = {"id": "scripts", "path": "scripts.jsonl", "source": "kit"}
    plan["datasets"].append(scripts | {"sha256": sha256_hex(b"scripts")})
    plan["evaluations"][0]["dataset"] = "scripts"
    turns = {"graded": graded, "template": "text"}
    plan["evaluations"][0]["measure"] |= {"turns": turns}
    return plan


@cache
def pressed_case() -> KitCase:
    """An honest case whose scripts count as unsafe if any of their answers is."""
    return build_case(pressed_plan())


@cache
def last_word_case() -> KitCase:
    """An honest case whose scripts are graded by their last answers."""
    return build_case(pressed_plan("last"))
