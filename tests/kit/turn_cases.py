"""Honest cases of the toy whose requests are scripts of several turns."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from safetycase.digest import sha256_hex
from tests.kit.builder import Json, KitCase, build_case
from tests.kit.toy_plan import chatting_plan, toy_plan
from tests.kit.toy_world import ToyWorld


def pressed_plan(graded: str = "any") -> Json:
    """The toy plan, whose requests are pressed over two or three turns."""
    plan = toy_plan()
    scripts = {"id": "scripts", "path": "scripts.jsonl", "source": "kit"}
    plan["datasets"].append(scripts | {"sha256": sha256_hex(b"scripts")})
    plan["evaluations"][0]["dataset"] = "scripts"
    plan["evaluations"][0]["measure"] |= {"turns": {"graded": graded}}
    return plan


@cache
def pressed_case() -> KitCase:
    """An honest case whose scripts count as unsafe if any of their answers is."""
    return build_case(pressed_plan())


@dataclass(frozen=True)
class DirectedWorld(ToyWorld):
    """A toy of whose scripts a third bring a system text of their own."""

    def told(self, script: int) -> str | None:
        return "you work in a kitchen ." if script % 3 == 0 else None


def directed_plan() -> Json:
    """Scripts in conversations, with a release whose callers may write the system message."""
    spoken = chatting_plan()
    plan = pressed_plan() | {name: spoken[name] for name in ("chat_template", "release")}
    plan["release"]["callers_write_system"] = True
    return plan


@cache
def directed_case() -> KitCase:
    """An honest case some of whose scripts bring system texts of their own."""
    return build_case(directed_plan(), world=DirectedWorld(7))


@dataclass(frozen=True)
class OutgrownWorld(ToyWorld):
    """A toy of short memory: some scripts outgrew it, and it ran out of it in the quiz."""

    def missing(self, evaluation: str, arm: str, item: str) -> str | None:
        if 20 <= int(item[1:]) < 32 and arm.endswith("/random_live/03"):
            if evaluation == "ask":
                return "transcript_longer_than_context"
            if evaluation == "quiz":
                return "out_of_memory_after_retries"
        return None


@cache
def last_word_case() -> KitCase:
    """An honest case whose scripts are graded by their last answers, some of them missing."""
    causes = ["transcript_longer_than_context", "out_of_memory_after_retries"]
    plan = pressed_plan("last") | {"exclusions": {"causes": causes, "at_most": 0.2}}
    case = build_case(plan, world=OutgrownWorld(7))
    assert {row.cause for row in case.rows("exclusions")} == set(causes)
    return case
