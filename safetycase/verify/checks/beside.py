"""Stage 7: what stands beside a claim follows from the same rows as the claim."""

from __future__ import annotations

from safetycase.verify.check import Family

FAMILY = Family(
    "BES", "Beside the claim",
    "What a sceptic asks beside the headline must follow from the same rows.",
    stage=7, tier="recomputed", needs=("record", "plan", "rows", "tensors"),
)  # fmt: skip

_ROWS = "That the rows are what the model said."


FAMILY.figures(
    1,
    "Every outcome is counted under every named arm.",
    "outcomes",
    proves="For the baseline and every named arm it is stated how many held-out answers to the "
    "claim's questions had each outcome that the grader can give: whether what is no longer "
    "counted became a refusal, broken text, or something else.",
    cannot_prove=_ROWS,
    references=("question 9 (four-way outcome)", "methodology 5.2"),
)

FAMILY.figures(
    2,
    "What was lost from tuning to held-out items follows from the rows.",
    "shrinkage",
    if_edited=True,
    proves="How much smaller the effect of the chosen dose is on held-out items than on those "
    "that chose it, and the AUROC of every kept feature than where it was found, with "
    "intervals of the differences, follows from rows and activations; a drop is called large "
    "if less than half is left.",
    cannot_prove="That a small drop is no luck: the held-out figure is the one to rely on.",
    references=("question 34 (selection-effect shrinkage)",
                "https://doi.org/10.1177/1745691614551642", "https://doi.org/10.1002/sim.3095",
                "https://doi.org/10.1002/sim.2324"),
)  # fmt: skip

FAMILY.figures(
    3,
    "The effect within the strata of a manipulation check follows from the rows.",
    "strata",
    unasked="no feature is found, or no manipulation check is read on the claim's items",
    proves="Where a manipulation check is read on the claim's own items, the effect is stated "
    "apart for items on which it counted at baseline and on which it did not.",
    cannot_prove="That a difference between strata is an effect of what divides them: strata "
    "are made of the model's own answers, and the edit is meant to change just those.",
    references=("question 12 (evaluation awareness strata)", "methodology 5.2"),
)
