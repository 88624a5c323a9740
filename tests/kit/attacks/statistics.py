"""Attacks on figures: counts, intervals, p-values, doses and control tests."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from safetycase.methods.derive import splits_of
from safetycase.methods.paired import Pairs, mcnemar_exact, tango_interval
from safetycase.record.plan import Plan
from tests.kit.builder import (
    Json,
    KitCase,
    edit_record,
    edit_rows,
    remove_from_record,
    with_rows,
)
from tests.kit.cases import (
    clustered_case,
    failing_case,
    lenient,
    sampled_case,
    two_claims_case,
)
from tests.kit.places import KNOWLEDGE, WATCHED, axis_pointer, entry_at, result, rows_at
from tests.kit.register import attack

_TARGET = "watched/target"


def _changed(
    case: KitCase, axis: int, kind: str, number: int, name: str, change: Callable[[Json], Json]
) -> KitCase:
    value = result(case, axis)[kind][number][name]
    return edit_record(case, axis_pointer(axis, kind, number, name), change(value))


@attack("statistics", "insider", refused_by={"STA-001"})
def rate_rounded_in_our_favour(case: KitCase) -> KitCase:
    """Round the lower bound of the target's rate up to the next whole percent.

    The effect looks larger than the interval allows.
    """
    number = entry_at(case, WATCHED, "rates", _TARGET, "ask")
    return _changed(case, WATCHED, "rates", number, "low", lambda low: int(low * 100 + 1) / 100)


@attack("statistics", "insider", refused_by={"STA-001"})
def count_raised_by_one(case: KitCase) -> KitCase:
    """Count one answer more under the target.

    The effect is larger by an answer that nobody gave.
    """
    number = entry_at(case, WATCHED, "rates", _TARGET, "ask")
    return _changed(case, WATCHED, "rates", number, "counted", lambda counted: counted + 1)


@attack("statistics", "insider", refused_by={"STA-001"})
def hard_items_left_out_of_a_rate(case: KitCase) -> KitCase:
    """Take a rate over fewer items than were measured.

    Items without the wanted outcome are no longer counted.
    """
    number = entry_at(case, WATCHED, "rates", _TARGET, "ask")
    return _changed(case, WATCHED, "rates", number, "items", lambda items: items - 2)


@attack("statistics", "insider", refused_by={"STA-001"})
def unfavourable_rate_left_out(case: KitCase) -> KitCase:
    """Leave the rate under the opposite sign out of the record.

    That both signs do the same is not seen.
    """
    number = entry_at(case, WATCHED, "rates", "watched/opposite", "ask")
    rates = result(case, WATCHED)["rates"]
    return edit_record(
        case, axis_pointer(WATCHED, "rates"), rates[:number] + rates[number + 1 :]
    )


@attack("statistics", "insider", refused_by={"STA-002"})
def p_value_edited(case: KitCase) -> KitCase:
    """Write a smaller p for the paired test.

    Chance passes for an effect.
    """
    number = entry_at(case, WATCHED, "comparisons", _TARGET, "ask")
    return _changed(case, WATCHED, "comparisons", number, "p", lambda p: p / 1000)


@attack("statistics", "insider", refused_by={"STA-002"})
def interval_narrowed(case: KitCase) -> KitCase:
    """Lower the upper bound of the harm in a claim of no change.

    The bound keeps a margin that the data do not keep.
    """
    number = entry_at(case, KNOWLEDGE, "comparisons", "knowledge/target", "quiz")
    return _changed(case, KNOWLEDGE, "comparisons", number, "high", lambda high: high / 2)


@attack("statistics", "insider", refused_by={"STA-002"})
def losses_counted_as_gains(case: KitCase) -> KitCase:
    """Exchange gained and lost items of the opposite sign's comparison.

    An effect in the wrong direction becomes one in the right one.
    """
    number = entry_at(case, WATCHED, "comparisons", "watched/opposite", "ask")
    entry = result(case, WATCHED)["comparisons"][number]
    swapped = entry | {"gained": entry["lost"], "lost": entry["gained"]}
    assert swapped != entry
    return edit_record(case, axis_pointer(WATCHED, "comparisons", number), swapped)


@attack("statistics", "insider", refused_by={"STA-003"})
def dose_changed(case: KitCase) -> KitCase:
    """State another chosen dose than the plan's rule picks on the tuning split.

    The dose is the one that looks best on the held-out items.
    """
    chosen = result(case, WATCHED)["dose_response"][0]["chosen"]
    other = -0.2 if chosen == -0.4 else -0.4
    return edit_record(case, axis_pointer(WATCHED, "dose_response", 0, "chosen"), other)


@attack("statistics", "insider", refused_by={"STA-003"})
def dose_series_made_monotone(case: KitCase) -> KitCase:
    """Raise the count at the highest dose of the series, so that it rises with the dose.

    Noise passes for a dose-response.
    """
    pointer = axis_pointer(WATCHED, "dose_response", 0, "points", 0, "counted")
    count = result(case, WATCHED)["dose_response"][0]["points"][0]["counted"]
    return edit_record(case, pointer, count + 2)


@attack("statistics", "insider", refused_by={"STA-003"})
def harmful_dose_called_admissible(case: KitCase) -> KitCase:
    """Say of a dose of the wrong sign that the rule allows it.

    Doses are tried until one pleases.
    """
    pointer = axis_pointer(WATCHED, "dose_response", 0, "points", 4, "admissible")
    return edit_record(case, pointer, True)


@attack("statistics", "insider", refused_by={"STA-004"}, base=failing_case, under=lenient)
def controls_that_do_as_much_forgotten(case: KitCase) -> KitCase:
    """State that no control did as much as the target, in a case where nearly all did.

    Any perturbation passes for an intervention on the features.
    """
    test = result(case, WATCHED)["controls"][0]
    assert test["as_large"] > 0
    return edit_record(case, axis_pointer(WATCHED, "controls", 0, "as_large"), 0)


@attack("statistics", "insider", refused_by={"STA-004"})
def rank_p_of_more_controls(case: KitCase) -> KitCase:
    """State the rank p of ninety-nine controls where nineteen were run.

    The target looks rarer than the controls can show.
    """
    return edit_record(case, axis_pointer(WATCHED, "controls", 0, "p"), 0.01)


@attack("statistics", "insider", refused_by={"STA-004"})
def largest_control_understated(case: KitCase) -> KitCase:
    """State a smaller effect for the control that did most.

    The distance between target and controls looks wider than it is.
    """
    pointer = axis_pointer(WATCHED, "controls", 1, "largest")
    return edit_record(case, pointer, -0.5)


@attack("statistics", "insider", refused_by={"CLM-002"}, base=two_claims_case)
def multiplicity_skipped(case: KitCase) -> KitCase:
    """State the uncorrected p of one of two claims as its corrected p.

    Of many claims tried, one holds by chance.
    """
    claim = result(case, WATCHED)["claim"]
    assert claim["p_adjusted"] > claim["p"]
    return edit_record(case, axis_pointer(WATCHED, "claim", "p_adjusted"), claim["p"])


@attack("statistics", "insider", refused_by={"FEA-001"})
def search_over_features_not_corrected(case: KitCase) -> KitCase:
    """State the uncorrected p of a kept feature as its corrected p.

    Of many thousand features, one fits by chance.
    """
    pointer = ("identification", "features", 0)
    feature = result(case, WATCHED)["identification"]["features"][0]
    return edit_record(case, axis_pointer(WATCHED, *pointer, "p_adjusted"), feature["p"])


def _compared(case: KitCase, axis: int, arm: str, evaluation: str) -> tuple[str, Json]:
    number = entry_at(case, axis, "comparisons", arm, evaluation)
    return axis_pointer(axis, "comparisons", number), result(case, axis)["comparisons"][number]


@attack("statistics", "insider", refused_by={"STA-002"}, base=clustered_case)
def wordings_tested_as_questions(case: KitCase) -> KitCase:
    """Give the interval and p of independent pairs where items come in clusters.

    Three wordings of one question count as three questions, and the interval is too narrow.
    """
    pointer, stated = _compared(case, WATCHED, _TARGET, "ask")
    pairs = Pairs(*(stated[name] for name in ("both", "lost", "gained", "neither")))
    plain = tango_interval(pairs)
    assert stated["low"] < plain.low
    narrow = {"low": plain.low, "high": plain.high, "p": mcnemar_exact(pairs)}
    return edit_record(case, pointer, stated | narrow)


@attack("statistics", "insider", refused_by={"STA-005"}, base=clustered_case)
def clusters_not_told(case: KitCase) -> KitCase:
    """Leave out of a comparison that its items come in clusters.

    Readers take every item for a question of its own.
    """
    pointer, _ = _compared(case, WATCHED, _TARGET, "ask")
    return remove_from_record(case, f"{pointer}/clustered")


@attack("statistics", "insider", refused_by={"STA-005"}, base=clustered_case)
def design_effect_lowered(case: KitCase) -> KitCase:
    """State of the target's rate that its clusters cost nothing.

    The answers look like more independent ones than they are.
    """
    number = entry_at(case, WATCHED, "rates", _TARGET, "ask")
    pointer = axis_pointer(WATCHED, "rates", number)
    stated = result(case, WATCHED)["rates"][number]
    assert stated["clustered"]["design_effect"] > 1
    changed = stated["clustered"] | {"design_effect": 1.0, "effective": float(stated["items"])}
    return edit_record(case, f"{pointer}/clustered", changed)


@attack("statistics", "insider", refused_by={"STA-005"})
def clusters_made_up(case: KitCase) -> KitCase:
    """Say of a rate of single items that it was corrected for clusters.

    A method is named that nobody used.
    """
    number = entry_at(case, WATCHED, "rates", _TARGET, "ask")
    made = {
        "method": "korn_graubard",
        "clusters": 9,
        "design_effect": 1.0,
        "effective": 9.0,
        "if_alike": 9.0,
    }
    return edit_record(case, axis_pointer(WATCHED, "rates", number, "clustered"), made)


@attack(
    "statistics",
    "insider",
    refused_by={
        "STA-001", "STA-002", "STA-005", "STA-007", "BES-002", "CLM-001", "CLM-003",
        "CLM-004", "CLM-005",
    },
    base=clustered_case,
)  # fmt: skip
def wordings_called_questions(case: KitCase) -> KitCase:
    """Name a cluster of its own, of the same split, for every held-out item, and no more.

    The wordings of a question pass for different questions.
    """
    plan = Plan.model_validate_json(case.members["plan.json"])
    digest = case.record["plan_digest"]

    def apart(row: Json) -> Json:
        if row.split != "held_out":
            return row
        names = [f"{row.cluster}-{row.item}-{n}" for n in range(40)]
        splits = splits_of(plan, digest, names)
        name = next(name for name in names if splits[name] == row.split)
        return msgspec.structs.replace(row, cluster=name)

    return edit_rows(case, "items", apart)


@attack("statistics", "insider", refused_by={"STA-002"}, base=sampled_case)
def samples_tested_as_items(case: KitCase) -> KitCase:
    """Give the interval and p of as many items as there are samples of items.

    Asking three times makes the sample three times as large.
    """
    pointer, stated = _compared(case, WATCHED, _TARGET, "ask")
    pairs = Pairs(*(stated[name] for name in ("both", "lost", "gained", "neither")))
    plain = tango_interval(pairs)
    assert stated["low"] < plain.low
    narrow = {"low": plain.low, "high": plain.high, "p": mcnemar_exact(pairs)}
    return edit_record(case, pointer, stated | narrow)


@attack(
    "statistics",
    "insider",
    refused_by={
        "STA-001", "STA-002", "STA-005", "STA-006", "BES-001", "BES-002", "IVN-005", "CLM-001",
        "CLM-003", "CLM-005",
    },
    base=sampled_case,
)  # fmt: skip
def best_of_three_samples(case: KitCase) -> KitCase:
    """Give every sample of an item the target's unsafe answer, where one sample has it.

    The model was asked until it gave the answer that is wanted.
    """
    rows = case.rows("generations")
    wanted: dict[str, Json] = {}
    for _, row in rows_at(case, "generations", _TARGET, "ask"):
        if row.outcome == "unsafe":
            wanted.setdefault(row.item, row)
    for number, row in rows_at(case, "generations", _TARGET, "ask"):
        if row.item in wanted:
            rows[number] = msgspec.structs.replace(wanted[row.item], sample=row.sample)
    return with_rows(case, "generations", rows)


@attack("statistics", "insider", refused_by={"STA-006"})
def items_moved_the_wrong_way_denied(case: KitCase) -> KitCase:
    """Count the items that the target did not move among those that it moved as intended.

    A mean effect hides how many items do not follow.
    """
    pointer = axis_pointer(WATCHED, "steering")
    stated = result(case, WATCHED)["steering"]
    assert stated["unmoved"]
    moved = {"toward": stated["toward"] + stated["unmoved"], "unmoved": 0}
    return edit_record(case, pointer, stated | moved)


@attack("statistics", "insider", refused_by={"STA-006"}, base=sampled_case)
def luck_of_sampling_understated(case: KitCase) -> KitCase:
    """State a smaller deviation of the target's rate between samples.

    What is luck looks like a property of the model.
    """
    pointer = axis_pointer(WATCHED, "steering", "spread", 1, "deviation")
    stated = result(case, WATCHED)["steering"]["spread"][1]["deviation"]
    assert stated > 0
    return edit_record(case, pointer, stated / 10)
