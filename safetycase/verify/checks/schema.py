"""Stage 4: versions are known, fields are those of the schema, references resolve."""

from __future__ import annotations

from safetycase.methods.compare import differences
from safetycase.methods.grade import outcomes_of
from safetycase.methods.grid import evaluation_named
from safetycase.methods.items import name_gaps
from safetycase.methods.lint import counted_by
from safetycase.methods.tensors import depth_gaps, width_gaps
from safetycase.verify.case import OpenedCase
from safetycase.verify.check import Family, Fault, Run, compared, told

FAMILY = Family(
    "SCH", "Schema", "Fields are those of the schema, and references resolve.",
    stage=4, tier="intact", needs=("container",),
)  # fmt: skip

_SPEC = "schemas/v1"


@FAMILY.check(
    1,
    proves="case.json is of a version that this verifier knows; every field is there, has its "
    "type and range, and none is unknown.",
    cannot_prove="That any value is true.",
    references=(_SPEC, "https://json-schema.org/draft/2020-12"),
    owns=("the fields of case.json",),
)
def record_follows_its_schema(case: OpenedCase) -> Run:
    """case.json follows the record's schema."""
    yield from ()
    return len(case.record.model_fields_set)


@FAMILY.check(
    2,
    proves="plan.json is of a version that this verifier knows; every field is there, has its "
    "type and range, and none is unknown.",
    cannot_prove="That the plan is a good one, or older than the measurements.",
    references=(_SPEC, "https://json-schema.org/draft/2020-12"),
    owns=("the fields of plan.json",),
)
def plan_follows_its_schema(case: OpenedCase) -> Run:
    """plan.json follows the plan's schema."""
    yield from ()
    return len(case.plan.model_fields_set)


@FAMILY.check(
    3,
    proves="Every table has the columns of its kind, and every row their types and ranges.",
    cannot_prove="That any value is true.",
    references=(_SPEC, "design 3"),
    owns=("the columns of evidence/*.jsonl",),
)
def tables_follow_their_schemas(case: OpenedCase) -> Run:
    """Every row of every table follows its schema."""
    if not case.table_kinds:
        yield Fault.unknown("evidence/", "evidence tables", "none", "The case has no rows.")
    return sum(len(table.rows) for table in case.tables.values())


@FAMILY.check(
    4,
    needs=("container", "record", "plan"),
    proves="The tensors are exactly those that the plan asks for, each in its file, with its "
    "type, its dimensions and finite values; widths are those that the record states.",
    cannot_prove="That they are the model's own activations.",
    references=(_SPEC, "design 3"),
    owns=("the names, types and shapes of tensors", "case.json#/dictionaries/*/width",
          "case.json#/dictionaries/*/model_width"),
)  # fmt: skip
def tensors_are_those_planned(case: OpenedCase) -> Run:
    """Every planned tensor is there, well formed, and no other."""
    for fault in case.tensor_faults:
        yield Fault(f"{fault.path}:{fault.tensor}", fault.expected, fault.found)
    widths = {entry.id: entry.width for entry in case.record.dictionaries}
    yield from told(width_gaps(case.plan, widths, case.sound_tensors))
    depths = {entry.id: entry.model_width for entry in case.record.dictionaries}
    yield from told(depth_gaps(case.plan, depths))
    return len(case.tensors)


@FAMILY.check(
    5,
    needs=("record", "plan"),
    proves="The record bears the plan's name and title, and has one result for each axis of "
    "the plan and one entry for each dictionary, in the plan's order.",
    cannot_prove="That the plan was fixed before anything was measured.",
    references=(_SPEC, "design 4"),
    owns=("case.json#/id", "case.json#/title", "case.json#/results/axes/*/axis",
          "case.json#/dictionaries/*/id"),
)  # fmt: skip
def record_answers_the_plan(case: OpenedCase) -> Run:
    """The record has the plan's name, axes and dictionaries, in order."""
    plan, record = case.plan, case.record
    yield from compared(case, "/id", plan.id)
    yield from compared(case, "/title", plan.title)
    named = [result.axis for result in record.results.axes]
    used = [entry.id for entry in record.dictionaries]
    for pointer, stated, planned in (
        ("/results/axes", named, [axis.id for axis in plan.axes]),
        ("/dictionaries", used, [entry.id for entry in plan.dictionaries]),
    ):
        yield from told(differences(f"case.json#{pointer}", stated, planned))
    return 4


@FAMILY.check(
    6,
    tier="recomputed",
    needs=("plan",),
    proves="Every outcome that the plan counts is one that its evaluation's grader can give.",
    cannot_prove="That the outcomes mean what their names say.",
    references=("design 4", "question 18 (grader controls)"),
    owns=("plan.json#/axes/*/**/outcomes",),
)
def counted_outcomes_can_occur(case: OpenedCase) -> Run:
    """Every counted outcome can be given by its evaluation's grader."""
    measures = [(axis, m) for axis in case.plan.axes for m in counted_by(axis)]
    for axis, measure in measures:
        known = set(outcomes_of(evaluation_named(case.plan, measure.evaluation)))
        for outcome in sorted(set(measure.outcomes) - known):
            where = f"plan.json#/axes {axis.id} {measure.evaluation}"
            yield Fault(where, f"one of {', '.join(sorted(known))}", outcome, axis=axis.id)
    return len(measures)


@FAMILY.check(
    7,
    tier="recomputed",
    needs=("plan", "rows"),
    proves="Every item belongs to a dataset of the plan, has a name of its own there, and a "
    "cluster.",
    cannot_prove="That the items are those of the plan's files: the files are not in the case.",
    references=("design 4",),
    owns=("evidence/items.jsonl: dataset, item",),
)
def items_have_names_of_their_own(case: OpenedCase) -> Run:
    """Every item has a known dataset, a name that occurs once there, and a cluster."""
    rows = case.rows("items")
    yield from told(name_gaps(case.plan, rows))
    return len(rows)
