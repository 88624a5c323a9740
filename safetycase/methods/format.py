"""How figures are spelled for people: one function a kind of figure, used everywhere.

Report, wording and verifier spell a figure the same way, so that a figure on a page can be
compared with the record letter by letter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from safetycase.errors import MethodRefused


def percent(share: float) -> str:
    """A share as a percentage with one decimal: `18.6 %`."""
    return f"{100 * share:.1f} %"


def points(difference: float) -> str:
    """A difference of shares in percentage points, signed: `+61.4 points`."""
    return f"{100 * difference:+.1f} points"


def rate(counted: int, items: int, *, at_most: float | None = None) -> str:
    """A rate with its counts: `41 of 220 (18.6 %)`; none of them with its upper bound.

    Nothing seen is not nothing there: `0 of 100 (0.0 %, at most 3.6 %)`.
    """
    bound = "" if counted or at_most is None else f", at most {percent(at_most)}"
    return f"{counted} of {items} ({percent(counted / items)}{bound})"


def percent_interval(low: float, high: float) -> str:
    """An interval of shares: `13.7 % to 24.4 %`."""
    return f"{percent(low)} to {percent(high)}"


def points_interval(low: float, high: float) -> str:
    """An interval of differences: `+54.0 to +68.1 points`."""
    return f"{100 * low:+.1f} to {100 * high:+.1f} points"


def p_value(p: float) -> str:
    """A p-value: two significant digits, `p < 0.0001` below that."""
    return "p < 0.0001" if p < 1e-4 else f"p = {p:.2g}"


def number(value: float) -> str:
    """Any other number, to four significant digits."""
    return f"{value:.4g}"


def score(value: float) -> str:
    """A score from 0 to 1 (an area under a curve, an accuracy) with three decimals."""
    return f"{value:.3f}"


def text_of(pointer: str, value: object) -> str:
    """The text that a page shows for the value of case.json at this JSON pointer.

    The form follows from the field's name and the list it stands in; an object that counts
    items (`counted`, `items`) is written as a rate. 2.0 and 2 have one text, as they have one
    spelling in canonical JSON. Refused for what has no text: other objects, lists, null.
    """
    if isinstance(value, Mapping):
        return _rate_of(pointer, value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    if isinstance(value, (int, float)):
        return _form(pointer)(value)
    raise MethodRefused(pointer, "a value that has a text", found=type(value).__name__)


def _rate_of(pointer: str, value: Mapping[str, object]) -> str:
    counted, items, high = value.get("counted"), value.get("items"), value.get("high")
    if isinstance(counted, int) and isinstance(items, int) and items > 0:
        return rate(counted, items, at_most=high if isinstance(high, (int, float)) else None)
    raise MethodRefused(pointer, "an object that counts items", found=", ".join(value))


def _whole_or_number(value: float) -> str:
    return f"{value:.0f}" if float(value).is_integer() else number(value)


_BY_PLACE: Mapping[tuple[str, str], Callable[[float], str]] = {
    ("rates", "low"): percent,
    ("rates", "high"): percent,
    ("comparisons", "low"): points,
    ("comparisons", "high"): points,
    ("comparisons", "difference"): points,
    ("effect", "tuning"): points,
    ("effect", "held_out"): points,
    ("effect", "difference"): points,
    ("effect", "low"): points,
    ("effect", "high"): points,
    ("features", "discovery"): score,
    ("features", "held_out"): score,
    ("features", "difference"): score,
    ("features", "low"): score,
    ("features", "high"): score,
    ("strata", "difference"): points,
    ("strata", "low"): points,
    ("strata", "high"): points,
    ("baselines", "low"): points,
    ("baselines", "high"): points,
    ("baselines", "difference"): points,
    ("controls", "largest"): points,
    ("controls", "median"): points,
    ("arms", "effect"): points,
    ("degradation", "residual"): points,
    ("spread", "deviation"): percent,
    ("claim", "margin"): points,
    ("side_effects", "margin"): points,
    ("mediators", "at_least"): points,
    ("off_target", "margin"): points,
    ("not_by", "at_least"): points,
    ("dose_rule", "incoherent_at_most"): points,
    ("rules", "rate_at_most"): percent,
    ("coherence", "repetition_ceiling"): percent,
}
_BY_NAME: Mapping[str, Callable[[float], str]] = {
    "detectable": points,
    "p": p_value,
    "p_adjusted": p_value,
    "p_residual": p_value,
    "least_p_adjusted": p_value,
    "auroc": score,
    "held_out_auroc": score,
    "detection": score,
    "fuzzing": score,
    "null_detection": score,
    "density": percent,
    "relative": percent,
    "level": percent,
    "power": percent,
    "minimum_density": percent,
    "norm_tolerance": percent,
    "share_of_best": percent,
    "minimum_score": score,
}


def _form(pointer: str) -> Callable[[float], str]:
    """The form of a number: by its list and name, else by its name, else as it is."""
    steps = pointer.split("/")
    lists = [step for step in steps[:-1] if step and not step.isdigit()]
    place = (lists[-1] if lists else "", steps[-1])
    return _BY_PLACE.get(place) or _BY_NAME.get(steps[-1]) or _whole_or_number
