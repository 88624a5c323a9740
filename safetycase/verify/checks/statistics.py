"""Stage 7: every figure is the one that the rows give, by the planned method."""

from __future__ import annotations

from safetycase.verify.check import Family

FAMILY = Family(
    "STA", "Statistics", "Every figure must follow from the published rows.",
    stage=7, tier="recomputed", needs=("record", "plan", "rows", "tensors"),
)  # fmt: skip

_ROWS = "That the rows are what the model said, or a fair sample of what it would say."
_CLUSTERED = frozenset({"clustered"})
"""What STA-005 answers for, in rates and comparisons."""

FAMILY.figures(
    1,
    "Every stated rate and interval follows from the rows.",
    "rates",
    skip=_CLUSTERED,
    proves="Every held-out rate counts all items of its split under its arm, with the exact "
    "(Clopper-Pearson) interval at the plan's level, widened where items come in clusters "
    "(Korn-Graubard), and names the table it comes from. 0 of n has an upper bound.",
    cannot_prove=_ROWS,
    references=("https://doi.org/10.1093/biomet/26.4.404", "question 15 (small n)",
                "question 27 (arithmetic)"),
)  # fmt: skip

FAMILY.figures(
    2,
    "Every stated comparison with the baseline follows from the rows.",
    "comparisons",
    skip=_CLUSTERED,
    proves="Every paired comparison counts the same items before and after, with Tango's score "
    "interval of the difference and the exact McNemar p; where items come in clusters, with "
    "the effective number of pairs and the exact sign-flip test by cluster.",
    cannot_prove=_ROWS,
    references=("https://doi.org/10.1002/(SICI)1097-0258(19980430)17:8<891::AID-SIM780>3.0.CO;2-B",
                "https://doi.org/10.1007/BF02295996", "question 13 (paired test)",
                "question 10 (non-inferiority)", "question 11 (off-target)"),
)  # fmt: skip

FAMILY.figures(
    3,
    "The chosen doses are those that the plan's rule picks on the tuning split.",
    "dose_response",
    proves="Every dose series counts the tuning items, and the chosen dose, the target's and "
    "that of every random set, is the one that the plan's rule picks there; whether it turns "
    "back, and the trend over the whole series, follow from the same counts.",
    cannot_prove="That no other doses were tried.",
    references=("question 8 (dose-response)", "design 5 step 7",
                "https://doi.org/10.1080/01621459.1963.10500843"),
)  # fmt: skip

FAMILY.figures(
    4,
    "Every rank test against controls follows from the rows.",
    "controls",
    proves="Every control family is counted in full: controls that act, silent ones, those as "
    "large as the target, and the rank p over those that act.",
    cannot_prove="That equal edit norms do equal damage; coherence is measured beside it.",
    references=("https://doi.org/10.2202/1544-6115.1585", "question 5 (random features)",
                "question 6 (random directions, unrelated contrasts)", "https://arxiv.org/abs/2509.22067"),
)  # fmt: skip

FAMILY.figures(
    5,
    "Where items come in clusters, clusters are the unit of every interval and test.",
    "rates/*/clustered",
    "comparisons/*/clustered",
    by=("arm", "measure"),
    proves="Every rate and comparison whose items come in clusters says so, with the number of "
    "clusters, the method, the design effect and the number of independent answers they are "
    "worth; no other one does. Nobody counts wordings of one question as several questions.",
    cannot_prove="That the clusters are the right ones: the author sorted the items.",
    references=("question 14 (clustered standard errors)", "https://arxiv.org/abs/2411.00640",
                "Korn & Graubard 1998, Survey Methodology 24:193"),
)  # fmt: skip

FAMILY.figures(
    6,
    "Items moved as intended, against it and not at all are counted from the rows.",
    "steering",
    proves="The stated numbers of items that the target moves as intended, against that and "
    "not at all follow from the rows; with several samples of an item, so do the rate of every "
    "sample, their deviation, and the variance within and between items.",
    cannot_prove="That other seeds would give the same; the spread says how far they may part.",
    references=("question 23 (seeds, anti-steerability)", "https://arxiv.org/abs/2407.12404",
                "https://arxiv.org/abs/2505.22637"),
)  # fmt: skip

FAMILY.figures(
    7,
    "Every effect claim states the least change that its sample would have found.",
    "claim/detectable",
    proves="Every effect claim states the least change that its held-out sample finds with the "
    "plan's power, as `plan lint` does before measuring: a fifth of the items change, clusters "
    "count as one item. So a reader can tell no effect from no chance to see one.",
    cannot_prove="That a fifth of the items change; with other shares it is another change.",
    references=("question 16 (minimum detectable effect)", "https://arxiv.org/abs/2411.00640"),
)
