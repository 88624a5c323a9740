"""What the search for features found, and how well their labels predict them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from safetycase.record.base import Count, Record, Share, Text
from safetycase.record.unavailable import Unavailable


class LabelScore(Record):
    """How well a label predicts its feature on held-out prompts."""

    detection: Share
    """Balanced accuracy of *the prompt holds a word of the label* for *the feature fires*."""
    fuzzing: Share
    """The same, token by token."""
    null_detection: Share
    """Best detection score of 19 seeded permutations of the label's predictions."""
    active: Count
    """Held-out prompts on which the feature fires."""
    silent: Count
    """Held-out prompts on which it does not: the hard negatives share the vocabulary."""
    supported: bool
    """Whether detection or fuzzing reaches the plan's minimum and detection beats the null."""


class OfPart(Record):
    """A feature of a stack as the dictionary knows it that it is of."""

    part: Count
    """Which of the stack's parts, from 0."""
    feature: Count
    """Index in that dictionary, from 0."""


class SelectedFeature(Record):
    """A feature that the selection rule kept."""

    feature: Count
    """Index in the dictionary, from 0: the row of `w_dec`; of a stack, in all its parts."""
    auroc: Share
    """Area under the ROC curve on the discovery split."""
    p: Share
    """Two-sided p of the planned statistic on the discovery split: Mann-Whitney, Welch, or a
    one-sample t test."""
    p_adjusted: Share
    """The same, corrected as planned over all candidates."""
    density: Share
    """Share of discovery items on which it fires."""
    held_out_auroc: Share | Unavailable
    """Area under the ROC curve on held-out items of the contrast; none where all that have a
    class are of one."""
    label: tuple[Text, ...]
    """The words on which it fires most, most first."""
    label_score: LabelScore | Unavailable
    """The label's validation."""
    standardised_difference: float | None = None
    """Difference of class means in standard deviations of all discovery prompts, where the
    features were ranked by it."""
    attribution: float | None = None
    """Mean attribution over discovery prompts, in nats, where features were ranked by it."""
    of_part: OfPart | None = None
    """The same feature in its own dictionary, where the axis is of a stack."""


class Identification(Record):
    """What the search for features found."""

    candidates: Count
    """Features dense enough to be tested: the size of the corrected family. 0 where fewer than
    two items have an outcome that is the class, or fewer than two another."""
    significant: Count
    """Candidates higher in the positive class, or with an attribution in the planned direction,
    whose corrected p is at most the plan's alpha."""
    positive_items: Count
    """Discovery items of the positive class."""
    negative_items: Count
    """Discovery items of the negative class."""
    features: tuple[SelectedFeature, ...]
    """The features kept, best first."""
    least_p_adjusted: Share | None = None
    """Where none was kept: least corrected p of a candidate higher in the positive class, or
    with an attribution in the planned direction."""
    unanswered: Annotated[int, Field(ge=1)] | None = None
    """Where the class is an outcome, or features were ranked by attribution: discovery items
    without an answer, which are left out; none: all have one."""


class GroupMember(Record):
    """A decoder neighbour that fires with a kept feature, and is edited with it."""

    feature: Count
    """The kept feature."""
    member: Count
    """Index of the neighbour in the dictionary."""
    cosine: Annotated[float, Field(ge=-1.0, le=1.0)]
    """Cosine of their decoder rows."""
    both: Count
    """Discovery prompts on which both fire."""
    feature_alone: Count
    """Discovery prompts on which the kept feature alone fires."""
    member_alone: Count
    """Discovery prompts on which the member alone fires."""
