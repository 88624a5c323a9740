"""Stage 8: the features are those that the rule finds, and their labels predict them."""

from __future__ import annotations

from safetycase.errors import MethodRefused
from safetycase.methods.fit import fit_faults
from safetycase.methods.groups import group_faults
from safetycase.methods.identify import above_largest, held_out_name, pooled
from safetycase.methods.label_tables import check_gaps, word_gaps
from safetycase.record.planned_axis import Axis
from safetycase.tables.rows import path_of
from safetycase.verify.case import OpenedCase
from safetycase.verify.check import Family, Fault, NotApplicable, Run, compared, told

FAMILY = Family(
    "FEA", "Features", "Features must be those that the rule finds, and be labelled.",
    stage=8, tier="recomputed", needs=("record", "plan", "rows", "tensors"),
)  # fmt: skip

_REAL = "That the published activations are the model's own; that needs the weights."
_RANKED = (
    "That the published activations are the model's own and, where features are ranked by "
    "attributions, that these are its gradients'; that needs the weights."
)
_VALIDATION = frozenset({"held_out_auroc", "label", "label_score"})


@FAMILY.axis_check(
    1,
    proves="The stated features are those that the plan's rule keeps, from all features of the "
    "dictionary on the discovery split, by classes that are a column of the items or that the "
    "unedited model gives by its answers: statistic, or mean of the published attributions, p, "
    "correction over candidates, density; "
    "where none is stated, that the rule keeps none, and how near the best candidate came.",
    cannot_prove=_RANKED,
    references=("design 5 step 5", "question 4 (multiplicity)",
                "https://doi.org/10.1214/aoms/1177730491", "https://arxiv.org/abs/2403.19647"),
    owns=("case.json#/results/axes/*/identification: all but labels and held-out AUROC",),
)  # fmt: skip
def selection_is_made_again(case: OpenedCase, number: int, axis: Axis) -> Run:
    """The features are those that the plan's rule keeps."""
    pointer = f"/results/axes/{number}/identification"
    found = case.axis(axis.id).selection
    yield from compared(case, pointer, found, skip=_VALIDATION)
    return max(found.candidates, 1)


FAMILY.figures(
    2,
    "Every held-out AUROC follows from the published activations.",
    "identification/features/*/held_out_auroc",
    by=("feature",),
    if_edited=True,
    proves="The AUROC of every kept feature on held-out prompts is the one that the published "
    "activations give: how much of the discovery AUROC was luck.",
    cannot_prove=_REAL,
    references=("question 34 (selection-effect shrinkage)", "design 5 step 6"),
)

FAMILY.figures(
    3,
    "Every label is the list of words on which its feature fires most.",
    "identification/features/*/label",
    by=("feature",),
    if_edited=True,
    proves="The label of every kept feature is the list of words on which it fires most, cut "
    "where the plan says; nobody wrote it.",
    cannot_prove="That the words name what the feature stands for.",
    references=("https://arxiv.org/abs/2410.13928", "question 19 (label validity)"),
)


@FAMILY.check(
    4,
    needs=("plan", "rows"),
    proves="Every prediction of a label is the one that its words make on the prompt.",
    cannot_prove=_REAL,
    references=("https://arxiv.org/abs/2410.13928", "question 19 (label validity)"),
    owns=("evidence/label_checks.jsonl: predicted",),
    absence_is_harmless=True,
)
def label_predictions_are_made_again(case: OpenedCase) -> Run:
    """Every prediction of a label follows from its words and the prompt."""
    derived = case.derived.label_checks
    for (where, row), again in zip(case.lines("label_checks"), derived, strict=True):
        if row.predicted != again.predicted:
            yield Fault(where, str(again.predicted), str(row.predicted), axis=row.axis)
    if len(case.derived.featureless) == len(case.plan.axes):
        return NotApplicable("no feature is found, so there is no label")
    return len(derived)


FAMILY.figures(
    5,
    "Every label score follows from its predictions.",
    "identification/features/*/label_score",
    by=("feature",),
    if_edited=True,
    proves="The detection and fuzzing scores of every label, and the null of permuted "
    "predictions, follow from the published predictions and activations.",
    cannot_prove="That a supported label is the whole meaning of its feature.",
    references=("https://arxiv.org/abs/2410.13928", "question 19 (label validity)"),
)


@FAMILY.axis_check(
    6,
    needs=("plan", "rows", "tensors"),
    proves="The label tables hold the kept features and no others; every word is counted as it "
    "occurs in the discovery prompts; every held-out prompt of the contrast is checked, the "
    "first ones word by word.",
    cannot_prove=_REAL,
    references=("design 5 step 6", "question 19 (hard negatives)"),
    owns=("evidence/label_words.jsonl: axis, feature, word, count, order",
          "evidence/label_checks.jsonl: axis, feature, item, position"),
)  # fmt: skip
def label_tables_are_complete(case: OpenedCase, _number: int, axis: Axis) -> Run:
    """The label tables hold every planned row of the kept features, and no other."""
    kept = [feature.feature for feature in case.axis(axis.id).selection.features]
    checks = [row for row in case.evidence.label_checks if row.axis == axis.id]
    words = [row for row in case.evidence.label_words if row.axis == axis.id]
    yield from told(word_gaps(axis, kept, case.derived.items, words))
    yield from told(check_gaps(axis, kept, case.derived.items, checks))
    return len(checks) or not kept


@FAMILY.axis_check(
    7,
    needs=("plan", "rows", "tensors"),
    proves="The pooled activations are well formed: one sparse row for each discovery prompt, "
    "indices ascending and inside the dictionary, values finite and above zero; where the plan "
    "names a pooling, no held-out activation is above the largest on its prompt.",
    cannot_prove=_REAL,
    references=("design 5 step 4", "https://arxiv.org/abs/2408.05147"),
    owns=("evidence/pooled.safetensors",),
)
def pooled_activations_are_well_formed(case: OpenedCase, _number: int, axis: Axis) -> Run:
    """The pooled activations are well formed."""
    evidence = case.derived.ungraded
    for name in ("values", "columns", "indptr", "width"):
        evidence.tensor(f"{axis.id}.{name}")
    try:
        activations = pooled(axis, evidence)
    except MethodRefused as refusal:
        found = refusal.found or "none"
        yield Fault(refusal.where, refusal.expected, found, str(refusal))
        return 1
    for kept in case.axis(axis.id).selection.features:
        above = above_largest(axis, kept.feature, evidence)
        if above:
            where = f"evidence/pooled.safetensors {held_out_name(axis)} {kept.feature}"
            yield Fault(where, "at most the largest on the prompt", f"more on {above} prompts")
    return len(activations)


@FAMILY.axis_check(
    8,
    proves="Of the features named as nearest to each kept one, the stated cosines follow from "
    "the published decoder rows, nearest first, and how often both fire from the pooled "
    "activations; no feature with a published row lies nearer than one that is named.",
    cannot_prove="That no other feature of the dictionary lies nearer: that needs its whole "
    "decoder. That a feature and its neighbours are one concept.",
    references=("question 20 (splitting and absorption)", "https://arxiv.org/abs/2409.14507"),
    owns=("case.json#/results/axes/*/neighbours", "evidence/neighbours.safetensors"),
    absence_is_harmless=True,
)
def neighbours_are_measured_again(case: OpenedCase, number: int, axis: Axis) -> Run:
    """Cosines and co-firing of the named decoder neighbours follow from what is published."""
    near = case.axis(axis.id).neighbours
    pointer = f"/results/axes/{number}/neighbours"
    examined = yield from compared(case, pointer, None if near is None else near.results())
    if near is None:
        return NotApplicable("no neighbours are asked for, or no feature is found")
    for fault in near.faults():
        where = f"evidence/neighbours.safetensors:{axis.id}, neighbour {fault.place} from 0"
        yield Fault(where, fault.expected, fault.found)
    return examined


@FAMILY.check(
    9,
    needs=("record", "plan", "rows"),
    proves="The stated L0 and FVU of every dictionary follow from rows of the discovery texts "
    "on which it was tested, in their order: the quality is that on evaluated prompts.",
    cannot_prove="That the sums of every prompt are the model's own; that needs the weights.",
    references=("question 21 (quality at the point of use)",
                "https://arxiv.org/abs/2503.09532"),
    owns=("evidence/dictionary_texts.jsonl",),
    absence_is_harmless=True,
)  # fmt: skip
def dictionary_quality_follows(case: OpenedCase) -> Run:
    """L0 and FVU of every dictionary follow from the rows of its test prompts."""
    rows = case.evidence.dictionary_texts
    if case.plan.geometry is None and not rows:
        return NotApplicable("the plan asks for no rows of the dictionaries' tests")
    if case.plan.geometry is None:
        yield Fault(
            path_of("dictionary_texts"), "no table that the plan does not ask for", "one"
        )
    yield from told(fit_faults(case.plan, case.derived.items, rows, case.record.self_tests))
    return len(rows)


@FAMILY.axis_check(
    10,
    proves="Edited beside the kept features are exactly those that fire with one of them and "
    "lie near it, as the plan's rule has it: co-firing of all features is counted again on the "
    "published activations, the cosine of every pair whose decoder rows are published is "
    "computed again, and the stated members, counts and cosines follow.",
    cannot_prove="That a feature whose decoder row is not published, as nothing edits it, lies "
    "no nearer than its stated cosine; that a group is one concept, or all of it.",
    references=("question 20 (splitting and absorption)", "https://arxiv.org/abs/2409.14507"),
    owns=("case.json#/results/axes/*/groups", "evidence/neighbours.safetensors: group_features",
          "evidence/neighbours.safetensors: group_cosines"),
    absence_is_harmless=True,
)  # fmt: skip
def groups_are_formed_again(case: OpenedCase, number: int, axis: Axis) -> Run:
    """What is edited with a kept feature lies near it and fires with it, as the plan asks."""
    asked = axis.selection.groups is not None and axis.id not in case.derived.featureless
    for fault in group_faults(axis, case.derived.evidence) if asked else ():
        where = f"evidence/neighbours.safetensors:{axis.id}, companion {fault.place} from 0"
        yield Fault(where, fault.expected, fault.found)
    found = case.axis(axis.id).groups
    examined = yield from compared(case, f"/results/axes/{number}/groups", found)
    return examined if asked else NotApplicable("no groups are asked for, or nothing is found")
