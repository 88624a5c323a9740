"""The frauds as a table, for docs/attacks.md and for `make attacks`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from safetycase.verify.judgement import UNDECIDED
from tests.kit.fraud import CAUGHT, ENDS, Fraud, all_frauds

_ABOUT = {
    "refused": "A check fails: exit 1.",
    "undecided": "A required check has no answer: exit 3.",
    "weaker words": "The case verifies, and its computed sentence says less than was wished.",
    "held below sound": "Nothing in the bytes tells. Every claim is held at *recomputed*, and "
    "a policy that asks for *sound* asks for a third party's time on the plan and a seed from "
    "after it, which these frauds cannot have.",
    "held below reproduced": "Not caught from the bytes, and third-party time would not help. "
    "Every claim is held at *recomputed*; only a re-run with the weights, or the owner of the "
    "data set, can tell.",
    "sound all the same": "Not caught, at a tier above the others. The verdict says on whose "
    "word; what that party would have to know stands in the story.",
}


def section() -> Iterator[str]:
    """The section of docs/attacks.md on frauds."""
    frauds = list(all_frauds().values())
    yield "## Frauds"
    yield ""
    yield (
        f"{len(frauds)} whole stories of a dishonest developer, who holds the right key and "
        f"derives what he can (`tests/kit/frauds.py`). From the bytes alone {summary()}. What "
        "the verifier does about these is to hold every claim below the tier that would need a "
        "third party, unless a third party that the policy names was used."
    )
    for end in ENDS:
        told = [each for each in frauds if each.end == end]
        if told:
            yield ""
            yield f"### {end.capitalize()}"
            yield ""
            yield _ABOUT[end]
            yield ""
            yield "| Fraud | Story | By |"
            yield "| --- | --- | --- |"
            for each in told:
                yield f"| `{each.name}` | {each.story} | {_by(each)} |"


def summary() -> str:
    """How many of all miss their aim and how, and what becomes of the others."""
    ends = Counter(each.end for each in all_frauds().values())
    caught, others = (
        [end for end in ENDS if ends[end] and (end in CAUGHT) is is_caught]
        for is_caught in (True, False)
    )
    one, other = (", ".join(f"{ends[end]} {end}" for end in some) for some in (caught, others))
    return (
        f"{sum(ends[end] for end in caught)} of {ends.total()} miss their aim ({one}); "
        f"the rest are not caught, and cannot be ({other})"
    )


def _by(each: Fraud) -> str:
    if each.by:
        return ", ".join(sorted(each.by))
    return f"“{each.wording}”" if each.wording else "nothing in the bytes"


def outcome(each: Fraud) -> tuple[bool, str]:
    """Whether a fraud comes to its published end, and to which it comes."""
    verdict = each.verdict()
    if verdict.failing():
        as_told = each.end == "refused" and each.by <= set(verdict.failing())
        return as_told, f"refused by {', '.join(verdict.failing())}"
    if verdict.exit_code == UNDECIDED:
        return each.end == "undecided", verdict.reason
    words = [c.wording for c in verdict.claims if each.wording and each.wording in c.wording]
    if words:
        return each.end == "weaker words", f"says “{words[0][:60]}…”"
    tiers = ", ".join(sorted({claim.tier for claim in verdict.claims}))
    ends = {"sound": {"sound all the same"}}
    held = ends.get(tiers, {"held below sound", "held below reproduced"})
    return each.end in held, f"held at {tiers}"
