"""What can be asked of the things a plan states beyond its measurements.

Dates and digests are compared; declarations are only listed, since nothing in a case can show
whether they are true.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from safetycase.digest import FileDigest, manifest_digest, sha256_hex
from safetycase.methods.gap import Gap
from safetycase.methods.grid import BASELINE, SPLITS, is_measured_on
from safetycase.methods.turns import script_of, turns_of
from safetycase.record.case import ModelFile
from safetycase.record.governance import Configuration, Declarations
from safetycase.record.plan import Plan
from safetycase.tables.evidence import Items
from safetycase.tables.rows import GenerationRow


def files_digest(files: Iterable[ModelFile]) -> str:
    """Manifest digest of stated files."""
    return manifest_digest(FileDigest(file.path, file.size, file.sha256) for file in files)


def tokenizer_digest(files: Iterable[ModelFile]) -> str | None:
    """Manifest digest of the tokenizer's files; none if the weights' file holds it."""
    alone = [file for file in files if file.role == "tokenizer"]
    return files_digest(alone) if alone else None


def measured_configuration(plan: Plan, files: Iterable[ModelFile]) -> Configuration:
    """The model as this plan measures it: how prompts are put to which files."""
    chat = plan.chat_template
    system = None if chat is None or chat.system is None else sha256_hex(chat.system.encode())
    return Configuration(
        model=plan.model.manifest_digest,
        tokenizer=tokenizer_digest(files),
        chat_template=None if chat is None else chat.sha256,
        system_prompt=system,
    )


def lifecycle_gaps(plan: Plan, at: str) -> Iterator[Gap]:
    """Whether the plan says until when its case holds, and whether that time has come.

    `at` is a time as the record spells times, so that text order is time order.
    """
    if plan.lifecycle is None:
        text = "The plan does not say until when its case holds, nor what ends it."
        yield Gap(
            "plan.json#/lifecycle", "a last day and triggers", "nothing", text, silent=True
        )
    elif at >= plan.lifecycle.valid_until:
        until = plan.lifecycle.valid_until
        text = f"The case is out of date since {until}."
        yield Gap("plan.json#/lifecycle/valid_until", f"a time after {at}", until, text)


def release_gaps(plan: Plan, files: Sequence[ModelFile]) -> Iterator[Gap]:
    """Where the release that the plan states is not what the plan measures.

    A difference contradicts a claim about what is deployed, and leaves a laboratory study
    open. Says nothing of what is really released.
    """
    yield from _template_gaps(plan, files)
    deployed = [axis.id for axis in plan.axes if axis.purpose == "deployed"]
    if plan.release is None:
        if deployed:
            text = "The plan speaks of a deployed model and does not say what is deployed."
            yield Gap(
                "plan.json#/release", "what will be released", "nothing", text, silent=True
            )
        return
    yield from _configuration_gaps(plan, files, silent=not deployed)
    yield from _safeguard_gaps(plan)


def _template_gaps(plan: Plan, files: Sequence[ModelFile]) -> Iterator[Gap]:
    """A chat template that is not the one file that the model has of it, if it has one."""
    own = [file.sha256 for file in files if file.path.endswith("chat_template.jinja")]
    if plan.chat_template is None or len(own) != 1 or own == [plan.chat_template.sha256]:
        return
    text = "Prompts are put by another chat template than the model's files hold."
    yield Gap("plan.json#/chat_template/sha256", own[0], plan.chat_template.sha256, text)


def _configuration_gaps(
    plan: Plan, files: Sequence[ModelFile], *, silent: bool
) -> Iterator[Gap]:
    if plan.release is None:
        return
    measured = measured_configuration(plan, files).model_dump()
    for name, released in plan.release.configuration.model_dump().items():
        if released != measured[name]:
            where = f"plan.json#/release/configuration/{name}"
            text = (
                f"What is released has another {name.replace('_', ' ')} than what is measured: "
                "figures of one need not hold of the other."
            )
            yield Gap(where, str(measured[name]), str(released), text, silent=silent)


def own_system_gaps(plan: Plan, items: Items) -> Iterator[Gap]:
    """Scripts that are asked behind system texts of their own, which no caller may write.

    An item's own text takes the place of the plan's: what is said behind it is not said by the
    released configuration. Contradicts a claim about what is deployed that is measured on them,
    and leaves a laboratory study open.
    """
    if plan.release is None or plan.release.callers_write_system:
        return
    deployed = [axis for axis in plan.axes if axis.purpose == "deployed"]
    for evaluation in plan.evaluations:
        if turns_of(evaluation) is None:
            continue
        rows = [row for split in SPLITS for row in items.of(evaluation.dataset, split)]
        found = [script_of(row.prompt) for row in rows]
        own = sum(script is not None and script.system is not None for script in found)
        if not own:
            continue
        text = (
            f"{own} of {len(rows)} items of {evaluation.dataset} are asked behind system texts "
            "of their own, and nothing says that callers of the release may write one."
        )
        yield Gap(
            "plan.json#/release/callers_write_system",
            f"true, or items of {evaluation.dataset} without system texts of their own",
            f"{own} with one",
            text,
            silent=not any(is_measured_on(plan, axis, evaluation) for axis in deployed),
        )


def _safeguard_gaps(plan: Plan) -> Iterator[Gap]:
    """Deployed axes that the stated release does not carry as measured, and strangers in it."""
    if plan.release is None:
        return
    purposes = {axis.id: axis.purpose for axis in plan.axes}
    modes = {guard.axis: guard.mode for guard in plan.release.safeguards}
    where = "plan.json#/release/safeguards"
    for axis, purpose in purposes.items():
        if purpose == "deployed" and modes.get(axis) != "active":
            text = (
                f"Axis {axis} claims something of the released model, and was measured with "
                "its intervention in every answer."
            )
            yield Gap(where, f"{axis} in mode active", modes.get(axis, "not named"), text)
    for axis in modes:
        if purposes.get(axis) != "deployed":
            text = f"The release carries a safeguard that no axis measures for it: {axis}."
            yield Gap(where, "axes meant to be deployed", axis, text)


def standing_gaps(
    case_id: str, model: str, superseded: Collection[str], current: str | None
) -> Iterator[Gap]:
    """Where the holder of a policy knows better: a newer case, or a newer model."""
    if case_id in superseded:
        text = "The policy lists this case as superseded."
        yield Gap("statement", "a case that stands", f"{case_id}, superseded", text)
    if current is not None and model != current:
        text = "The current release is another model than the one measured."
        yield Gap("plan.json#/model/manifest_digest", current, model, text)


_PARTS = ("contamination", "elicitation", "independence")
_ABOUT = {
    "contamination": "whether the model has seen these items in training",
    "elicitation": "how hard the behaviour was looked for",
    "independence": "who assessed, on whose terms",
}


def declaration_gaps(plan: Plan, generations: Iterable[GenerationRow]) -> Iterator[Gap]:
    """What is not declared, and outputs that contradict what is.

    The unedited model printing the canary of items that it is said not to have seen.
    """
    said = plan.declarations or Declarations(
        contamination=None, elicitation=None, independence=None
    )
    for name in _PARTS:
        if getattr(said, name) is None:
            text = f"Nothing is said of {_ABOUT[name]}."
            yield Gap(
                f"plan.json#/declarations/{name}", _ABOUT[name], "nothing", text, silent=True
            )
    found = said.contamination
    if found is None or found.canary is None or found.training_overlap in {"partial", "full"}:
        return
    for row in generations:
        if row.arm == BASELINE and found.canary in row.output:
            where = f"evidence/generations.jsonl: {row.evaluation} / {row.arm} / {row.item}"
            text = "The model prints the canary of items that it is said not to have seen."
            yield Gap(where, "no canary", found.canary, text)


def declared(plan: Plan) -> list[str]:
    """What the plan asks its readers to take on trust, one line a part."""
    if plan.declarations is None:
        return []
    return [
        f"{name}: {_told(part.model_dump())}"
        for name in _PARTS
        if (part := getattr(plan.declarations, name)) is not None
    ]


def _told(part: dict[str, str | None]) -> str:
    facts = [
        f"{name.replace('_', ' ')} {value.replace('_', ' ')}"
        for name, value in part.items()
        if value is not None and name not in {"reason", "by", "canary"}
    ]
    return f"{', '.join(facts)}; says {part['by']}"
