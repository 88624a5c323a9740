"""What the report says in its own words: states, roles and conditions."""

from __future__ import annotations

from collections.abc import Mapping

from safetycase.record.planned_axis import Axis
from safetycase.verify.outcome import TIER_MEANINGS, Outcome

STATES: Mapping[int, tuple[str, str]] = {
    0: ("VERIFIED", "The file is what it says it is; whether its claims hold stands below."),
    1: ("NOT VERIFIED", "A check failed: do not rely on this case for anything below."),
    3: ("UNDECIDED", "Nothing was found to be wrong, but not all that is required is known."),
    4: ("NOT JUDGED", "The verifier itself failed; this says nothing about the case."),
}

HOLDS: Mapping[bool | None, str] = {True: "HOLDS", False: "DOES NOT HOLD", None: "NOT DERIVED"}

OUTCOME_WORDS: Mapping[Outcome, str] = {
    Outcome.PASS: "pass",
    Outcome.FAIL: "FAIL",
    Outcome.UNKNOWN: "unknown",
    Outcome.NOT_APPLICABLE: "not applicable",
    Outcome.ERROR: "ERROR",
}

WORST_FIRST = (
    Outcome.FAIL,
    Outcome.ERROR,
    Outcome.UNKNOWN,
    Outcome.NOT_APPLICABLE,
    Outcome.PASS,
)

ROLE_NAMES: Mapping[str, str] = {
    "baseline": "Baseline",
    "target": "Target",
    "sham": "Sham",
    "reconstruction": "Reconstruction",
    "opposite": "Opposite sign",
    "best_of": "Best of random",
    "random_live": "Random features",
    "random_direction": "Random directions",
    "unrelated_contrast": "Unrelated contrasts",
    "shuffled_label": "Shuffled labels",
    "gaussian": "Gaussian directions",
    "difference_in_means": "Difference in means",
    "prompt": "Prompt",
    "system_prompt": "System prompt",
    "refusal_direction": "Refusal direction",
    "dose": "Dose series",
    "best_of_dose": "Random set, dose series",
    "gauge": "Controls before their gain",
}

ROLE_MEANINGS: Mapping[str, str] = {
    "baseline": "the model as it is, without any hook.",
    "target": "the edit of the selected features, at the dose chosen on the tuning split.",
    "sham": "the same code with an edit of length zero: must equal the baseline.",
    "reconstruction": "the activation passed through the dictionary, nothing added.",
    "opposite": "the target's edit with the other sign.",
    "best_of": "random features that had the target's privilege: their dose was tuned too.",
    "random_live": "as many random features that fire, with an edit as long as the target's.",
    "random_direction": "differences of two activations, with an edit as long as the target's.",
    "unrelated_contrast": "differences of means of prompts with a word and without it, "
    "unrelated to the axis, with an edit as long as the target's.",
    "shuffled_label": "differences of means of the axis's contrast after its labels were "
    "shuffled, with an edit as long as the target's.",
    "gaussian": "random directions of any kind, with an edit as long as the target's: "
    "reported, but no claim relies on them.",
    "difference_in_means": "the difference of the class means of the axis's contrast, without "
    "any feature, with an edit as long as the target's.",
    "prompt": "a text in front of every prompt, nothing edited.",
    "system_prompt": "another system message in front of every conversation, nothing edited.",
    "refusal_direction": "the direction between prompts that are refused and prompts that are "
    "answered, without any feature, taken out or added at its own size.",
    "gauge": "controls that do what the target does, measured on tuning items to make their "
    "edit as large as the target's.",
}

CONDITION_QUESTIONS: Mapping[str, str] = {
    "significant": "Is the change more than chance?",
    "large_enough": "Is the change as large as planned, even at the interval's bound?",
    "exceeds_random_live": "Do random features of equal edit length do less?",
    "exceeds_random_direction": "Do random directions of equal edit length do less?",
    "exceeds_unrelated_contrast": "Do unrelated contrasts of equal edit length do less?",
    "exceeds_shuffled_label": "Do differences in means of shuffled labels do less?",
    "exceeds_at_matched_degradation": "Do controls that damage the model as much do less?",
    "exceeds_best_of": "Do random features do less even with a tuned dose?",
    "exceeds_reconstruction": "Is it more than the dictionary's own reconstruction does?",
    "adds_to_reconstruction": "Do the features add as much to the dictionary's reconstruction?",
    "sign_matters": "Does the opposite edit do less than half?",
    "bounded": "Is the harmful change at most the margin?",
    "powered": "Could a harmful change of that size have been seen?",
    "manipulation_checked": "Was it planned to check that the edit does what it is for?",
    "feature_found": "Were features found?",
    "sham_is_baseline": "Does the hook alone change nothing?",
    "more_than_refusal": "Is it more than refusals, or whatever else the plan calls no gain?",
    "coherent": "Are the answers still coherent?",
    "shipped": "Does the release carry this intervention?",
}

FIELD_NAMES: Mapping[str, str] = {"fvu": "FVU", "nll": "NLL", "l0": "L0", "auroc": "AUROC"}


def in_words(name: str) -> str:
    """A field's or rule's name as words: `held_out_auroc` is `held out AUROC`."""
    return " ".join(FIELD_NAMES.get(part, part) for part in name.split("_"))


def plain(sentence: str) -> str:
    """A field's sentence on one line, without the marks that its writer needed."""
    return " ".join(sentence.split()).replace("`", "").replace("*", "")


def question_of(axis: Axis, condition: str) -> str:
    """The question that a condition answers, with the plan's words for those it names."""
    titles = {f"keeps.{effect.id}": effect.title for effect in axis.side_effects}
    titles |= {
        f"keeps.off_target.{other.axis}": f"Is {other.axis} no worse?"
        for other in axis.off_target or ()
    }
    titles |= {f"moves.{mediator.id}": mediator.title for mediator in axis.mediators}
    return CONDITION_QUESTIONS.get(condition) or titles.get(condition, condition)


def tier_meaning(tier: str) -> str:
    """What a tier says, in one line; a tier of a later version has no words here."""
    return TIER_MEANINGS.get(tier, "this tier is not known to this version.")
