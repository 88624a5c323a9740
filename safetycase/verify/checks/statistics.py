"""Stage 7: every figure is the one that the rows give, by the planned method."""

from __future__ import annotations

from collections.abc import Sequence

from safetycase.methods.compare import differences
from safetycase.record.base import Record
from safetycase.record.planned_axis import Axis
from safetycase.verify.case import OpenedCase
from safetycase.verify.check import Family, Fault, Run, compared, each_axis

FAMILY = Family(
    "STA",
    "Statistics",
    "Every figure must follow from the published rows.",
    stage=7,
    tier="recomputed",
)

_SENTENCE = "The rows give another figure."
_ROWS = "That the rows are what the model said, or a fair sample of what it would say."


_CLUSTERED = frozenset({"clustered"})
"""What STA-005 answers for, in rates and comparisons."""


def _figures(case: OpenedCase, number: int, name: str, derived: Sequence[Record]) -> Run:
    pointer = f"/results/axes/{number}/{name}"
    return compared(case, pointer, derived, _SENTENCE, skip=_CLUSTERED)


@FAMILY.check(
    1,
    needs=("record", "plan", "rows", "tensors"),
    proves="Every held-out rate counts all items of its split under its arm, with the exact "
    "(Clopper-Pearson) interval at the plan's level, widened where items come in clusters "
    "(Korn-Graubard), and names the table it comes from. 0 of n has an upper bound.",
    cannot_prove=_ROWS,
    references=("https://doi.org/10.1093/biomet/26.4.404", "question 15 (small n)",
                "question 27 (arithmetic)"),
    owns=("case.json#/results/axes/*/rates",),
)  # fmt: skip
@each_axis
def rates_follow_from_rows(case: OpenedCase, number: int, axis: Axis) -> Run:
    """Every stated rate and interval follows from the rows."""
    return (yield from _figures(case, number, "rates", case.axis(axis.id).rates))


@FAMILY.check(
    2,
    needs=("record", "plan", "rows", "tensors"),
    proves="Every paired comparison counts the same items before and after, with Tango's score "
    "interval of the difference and the exact McNemar p; where items come in clusters, with "
    "the effective number of pairs and the exact sign-flip test by cluster.",
    cannot_prove=_ROWS,
    references=("https://doi.org/10.1002/(SICI)1097-0258(19980430)17:8<891::AID-SIM780>3.0.CO;2-B",
                "https://doi.org/10.1007/BF02295996", "question 13 (paired test)",
                "question 10 (non-inferiority)", "question 11 (off-target)"),
    owns=("case.json#/results/axes/*/comparisons",),
)  # fmt: skip
@each_axis
def comparisons_follow_from_rows(case: OpenedCase, number: int, axis: Axis) -> Run:
    """Every stated comparison with the baseline follows from the rows."""
    return (yield from _figures(case, number, "comparisons", case.axis(axis.id).comparisons))


@FAMILY.check(
    3,
    needs=("record", "plan", "rows", "tensors"),
    proves="Every dose series counts the tuning items, and the chosen dose, the target's and "
    "that of every random set, is the one that the plan's rule picks there; whether it turns "
    "back, and the trend over the whole series, follow from the same counts.",
    cannot_prove="That no other doses were tried.",
    references=(
        "question 8 (dose-response)",
        "design 5 step 7",
        "https://doi.org/10.1080/01621459.1963.10500843",
    ),
    owns=("case.json#/results/axes/*/dose_response",),
)
@each_axis
def doses_follow_from_tuning(case: OpenedCase, number: int, axis: Axis) -> Run:
    """The chosen doses are those that the plan's rule picks on the tuning split."""
    return (
        yield from _figures(case, number, "dose_response", case.axis(axis.id).dose_responses)
    )


@FAMILY.check(
    4,
    needs=("record", "plan", "rows", "tensors"),
    proves="Every control family is counted in full: controls that act, silent ones, those as "
    "large as the target, and the rank p over those that act.",
    cannot_prove="That equal edit norms do equal damage; coherence is measured beside it.",
    references=("https://doi.org/10.2202/1544-6115.1585", "question 5 (random features)",
                "question 6 (random directions, unrelated contrasts)", "https://arxiv.org/abs/2509.22067"),
    owns=("case.json#/results/axes/*/controls",),
)  # fmt: skip
@each_axis
def control_tests_follow_from_rows(case: OpenedCase, number: int, axis: Axis) -> Run:
    """Every rank test against controls follows from the rows."""
    return (yield from _figures(case, number, "controls", case.axis(axis.id).controls))


@FAMILY.check(
    5,
    needs=("record", "plan", "rows", "tensors"),
    proves="Every rate and comparison whose items come in clusters says so, with the number of "
    "clusters, the method, the design effect and the number of independent answers they are "
    "worth; no other one does. Nobody counts wordings of one question as several questions.",
    cannot_prove="That the clusters are the right ones: the author sorted the items.",
    references=("question 14 (clustered standard errors)", "https://arxiv.org/abs/2411.00640",
                "Korn & Graubard 1998, Survey Methodology 24:193"),
    owns=("case.json#/results/axes/*/rates/*/clustered",
          "case.json#/results/axes/*/comparisons/*/clustered"),
)  # fmt: skip
@each_axis
def clusters_are_the_unit(case: OpenedCase, number: int, axis: Axis) -> Run:
    """Where items come in clusters, clusters are the unit of every interval and test."""
    derived = case.axis(axis.id)
    figures: tuple[tuple[str, Sequence[Record]], ...] = (
        ("rates", derived.rates),
        ("comparisons", derived.comparisons),
    )
    for name, wanted in figures:
        pointer = f"/results/axes/{number}/{name}"
        expected = _by_measure([one.spelled() for one in wanted])
        for key, (place, stated) in _by_measure(case.stated(pointer)).items():
            if key not in expected:
                continue
            where = f"case.json#{pointer}/{place}"
            for difference in differences(where, stated, expected[key][1]):
                yield Fault.of(difference, _SENTENCE)
    return sum(len(wanted) for _, wanted in figures)


@FAMILY.check(
    6,
    needs=("record", "plan", "rows", "tensors"),
    proves="The stated numbers of items that the target moves as intended, against that and "
    "not at all follow from the rows; with several samples of an item, so do the rate of every "
    "sample, their deviation, and the variance within and between items.",
    cannot_prove="That other seeds would give the same; the spread says how far they may part.",
    references=("question 23 (seeds, anti-steerability)", "https://arxiv.org/abs/2407.12404",
                "https://arxiv.org/abs/2505.22637"),
    owns=("case.json#/results/axes/*/steering",),
)  # fmt: skip
@each_axis
def items_are_counted_by_their_way(case: OpenedCase, number: int, axis: Axis) -> Run:
    """Items moved as intended, against it and not at all are counted from the rows."""
    pointer = f"/results/axes/{number}/steering"
    return (yield from compared(case, pointer, case.axis(axis.id).steering, _SENTENCE))


@FAMILY.check(
    7,
    needs=("record", "plan", "rows", "tensors"),
    proves="Every effect claim states the least change that its held-out sample finds with the "
    "plan's power, as `plan lint` does before measuring: a fifth of the items change, clusters "
    "count as one item. So a reader can tell no effect from no chance to see one.",
    cannot_prove="That a fifth of the items change; with other shares it is another change.",
    references=("question 16 (minimum detectable effect)", "https://arxiv.org/abs/2411.00640"),
    owns=("case.json#/results/axes/*/claim/detectable",),
)
@each_axis
def least_detectable_change_is_stated(case: OpenedCase, number: int, axis: Axis) -> Run:
    """Every effect claim states the least change that its sample would have found."""
    pointer = f"/results/axes/{number}/claim/detectable"
    derived = case.derived.claims[axis.id].detectable
    return (yield from compared(case, pointer, derived, _SENTENCE))


def _by_measure(entries: object) -> dict[str, tuple[int, dict[str, object]]]:
    """What entries say of clusters, with their places, by arm and measure."""
    return {
        f"{entry.get('arm')} {entry.get('measure')}": (
            place,
            {name: value for name, value in entry.items() if name in _CLUSTERED},
        )
        for place, entry in enumerate(entries if isinstance(entries, list) else ())
        if isinstance(entry, dict)
    }
