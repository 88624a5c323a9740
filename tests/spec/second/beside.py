"""Clauses 12.2, 12.3 and 15.4a: labels, and what stands beside a claim."""

import math
import re
from collections.abc import Mapping, Sequence
from statistics import NormalDist

from tests.spec.second import figures
from tests.spec.second.draws import Stream
from tests.spec.second.json_types import Estimate, Json


def label(rows: list[dict], size: int) -> list[str]:
    """Clause 12.3: the words of a label."""
    ordered = sorted(rows, key=lambda r: (-r["activation"], r["word"]))
    return [r["word"] for r in ordered[:size]]


def words(prompt: str) -> list[str]:
    """Clause 12.3: the words of a prompt."""
    return [w.casefold() for w in re.findall(r"\w+", prompt)]


def balanced(predicted: Sequence[bool], active: Sequence[bool]) -> float | None:
    """Balanced accuracy, or none."""
    yes = [p for p, a in zip(predicted, active, strict=True) if a]
    no = [p for p, a in zip(predicted, active, strict=True) if not a]
    return (sum(yes) / len(yes) + 1 - sum(no) / len(no)) / 2 if yes and no else None


def label_score(
    checks: list[Json],
    chosen: list[str],
    prompts: Mapping[str, str],
    seed: str,
    purpose: str,
    minimum: float,
) -> Json:
    """Clause 12.3: how well a label predicts its feature; none if it fires on all or none."""
    texts = {item: words(prompt) for item, prompt in prompts.items()}
    entire = [c for c in checks if c["position"] == -1]
    parts = [c for c in checks if c["position"] >= 0]
    said = [any(w in chosen for w in texts[c["item"]]) for c in entire]
    fires = [c["activation"] > 0 for c in entire]
    detection = balanced(said, fires)
    fuzzing = balanced(
        [texts[c["item"]][c["position"]] in chosen for c in parts],
        [c["activation"] > 0 for c in parts],
    )
    if detection is None or fuzzing is None:
        return None
    stream = Stream(seed, purpose)
    null = 0.0
    for _ in range(19):
        order = stream.sample(len(said), len(said))
        null = max(null, balanced([said[i] for i in order], fires) or 0.0)
    return {
        "detection": detection,
        "fuzzing": fuzzing,
        "null_detection": null,
        "active": sum(fires),
        "silent": len(fires) - sum(fires),
        "supported": max(detection, fuzzing) >= minimum and detection > null,
    }


def apart(fresh: Estimate, known: Estimate) -> Estimate:
    """Clause 15.4a: the interval of a difference from two figures with their intervals."""
    (a, low, high), (b, low_b, high_b) = fresh, known
    gap = a - b
    return gap, gap - math.hypot(a - low, high_b - b), gap + math.hypot(high - a, b - low_b)


def auroc_interval(area: float, positive: int, negative: int, level: float) -> Estimate:
    """Clause 15.4a: Newcombe's method 5."""
    z = NormalDist().inv_cdf((1 + level) / 2)

    def beyond(t: float) -> float:
        spread = 1 + ((positive + negative) / 2 - 1) * ((1 - t) / (2 - t) + t / (1 + t))
        return (t - area) ** 2 - z * z * t * (1 - t) * spread / (positive * negative)

    low = figures.root(lambda t: -beyond(t), 0.0, area) if area > 0 else 0.0
    high = figures.root(beyond, area, 1.0) if area < 1 else 1.0
    return area, low, high


def shrunk_feature(kept: Json, sizes: Sequence[tuple[int, int]], level: float) -> Json:
    """Clause 15.4a: what is left of a feature's area."""
    found, later = kept["auroc"], kept["held_out_auroc"]
    gap, low, high = apart(
        auroc_interval(later, *sizes[1], level), auroc_interval(found, *sizes[0], level)
    )
    return {
        "discovery": found,
        "held_out": later,
        "difference": gap,
        "low": low,
        "high": high,
        "large": found > 0.5 and later - 0.5 < (found - 0.5) / 2,
    }
