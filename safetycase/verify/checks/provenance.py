"""Stage 5: subject, instruments, environment and times are named, and are those planned."""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter

from safetycase.methods.equations import recorded
from safetycase.methods.governance import files_digest
from safetycase.methods.instruments import InstrumentTest, required_tests
from safetycase.record.case import ModelFile
from safetycase.verify.case import OpenedCase
from safetycase.verify.check import Family, Fault, Run, compared

FAMILY = Family(
    "PRO", "Provenance", "Model, dictionaries, plan and environment are named.",
    stage=5, tier="recomputed", needs=("record", "plan"),
)  # fmt: skip

_TRUTH = "That the digests are those of the files that were really loaded."
_WITHOUT_VALUE = attrgetter("id", "subject", "question", "at_least", "at_most")
_NEEDED_PACKAGES = ("numpy", "torch", "transformers")


@FAMILY.check(
    1,
    needs=("record", "container"),
    proves="The record's plan digest is the SHA-256 of the plan in the case.",
    cannot_prove="That the plan is older than the measurements; only a third party's time is.",
    references=("design 4", "question 1 (prior plan)"),
    owns=("case.json#/plan_digest",),
)
def plan_is_the_one_named(case: OpenedCase) -> Run:
    """The record names the plan that is in the case."""
    return (yield from compared(case, "/plan_digest", case.plan_digest))


@FAMILY.check(
    2,
    proves="The subject's list of files, names, sizes and bytes, is the one whose digest the "
    "plan fixed; it is in order and holds weights.",
    cannot_prove=_TRUTH,
    references=("design 3", "question 24 (identity binding)"),
    owns=("case.json#/subject/files",),
)
def subject_is_its_files(case: OpenedCase) -> Run:
    """The subject's files are those of the planned manifest."""
    files = case.record.subject.files
    planned, derived = case.plan.model.manifest_digest, files_digest(files)
    if derived != planned:
        found = f"files whose digest is {derived}"
        yield Fault("case.json#/subject/files", f"files whose digest is {planned}", found)
    yield from _unsorted("case.json#/subject/files", files)
    if not any(file.role == "weights" for file in files):
        yield Fault("case.json#/subject/files", "a file with weights", "none")
    return len(files)


@FAMILY.check(
    3,
    proves="The subject has the name and the manifest digest that the plan fixed.",
    cannot_prove=_TRUTH,
    references=("design 4", "question 24 (identity binding)"),
    owns=("case.json#/subject/name", "case.json#/subject/manifest_digest"),
)
def subject_is_the_planned_model(case: OpenedCase) -> Run:
    """The subject is the model that the plan names."""
    yield from compared(case, "/subject/name", case.plan.model.name)
    yield from compared(case, "/subject/manifest_digest", case.plan.model.manifest_digest)
    return 2


@FAMILY.check(
    4,
    proves="Every dictionary's manifest digest follows from its files and is the planned one, "
    "with the planned equation and hooks and, where the plan states it, L0.",
    cannot_prove=_TRUTH,
    references=("design 4", "question 24 (identity binding)"),
    owns=("case.json#/dictionaries/*/files", "case.json#/dictionaries/*/manifest_digest",
          "case.json#/dictionaries/*/equation", "case.json#/dictionaries/*/hook",
          "case.json#/dictionaries/*/hook_out"),
)  # fmt: skip
def dictionaries_are_those_planned(case: OpenedCase) -> Run:
    """Every dictionary is the planned one, and its digest follows from its files."""
    planned = {dictionary.id: dictionary for dictionary in case.plan.dictionaries}
    for number, entry in enumerate(case.record.dictionaries):
        here = f"/dictionaries/{number}"
        wanted = planned.get(entry.id)
        if wanted is None:
            continue
        derived = files_digest(entry.files)
        stated = entry.manifest_digest
        if not stated == derived == wanted.manifest_digest:
            found = f"{stated}; its files give {derived}"
            yield Fault(f"case.json#{here}/manifest_digest", wanted.manifest_digest, found)
        yield from _unsorted(f"case.json#{here}/files", entry.files)
        for name, want in recorded(case.plan, wanted).items():
            if (have := getattr(entry, name)) != want:
                yield Fault(f"case.json#{here}/{name}", str(want), str(have))
    return len(case.record.dictionaries)


def _unsorted(where: str, files: Iterable[ModelFile]) -> Iterable[Fault]:
    paths = [file.path for file in files]
    if paths != sorted(paths):
        yield Fault(where, "files in order of their paths", "another order")


@FAMILY.check(
    5,
    proves="Every test of the instruments was made on the model and on each dictionary, with "
    "the fixed question and bounds.",
    cannot_prove="That the values were measured; only a re-run could show that.",
    references=("design 5 step 2", "question 21 (dictionary quality)"),
    owns=("case.json#/self_tests/*/id", "case.json#/self_tests/*/subject",
          "case.json#/self_tests/*/question", "case.json#/self_tests/*/at_least",
          "case.json#/self_tests/*/at_most", "case.json#/dictionaries/*/declared_l0"),
)  # fmt: skip
def instruments_were_tested(case: OpenedCase) -> Run:
    """Every fixed test of the instruments is there, with its fixed bounds."""
    stated = [_WITHOUT_VALUE(test) for test in case.record.self_tests]
    wanted = [_WITHOUT_VALUE(test) for test in _required(case)]
    for test in wanted:
        if stated.count(test) != 1:
            found = f"{stated.count(test)} such tests"
            yield Fault("case.json#/self_tests", f"once: {test}", found)
    for test in stated:
        if test not in wanted:
            yield Fault("case.json#/self_tests", "tests that are fixed", str(test))
    return len(stated)


@FAMILY.check(
    6,
    proves="Every test of the instruments came out within its fixed bounds.",
    cannot_prove="That the values were measured; only a re-run could show that.",
    references=("design 5 step 2", "https://arxiv.org/abs/2503.09532"),
    owns=("case.json#/self_tests/*/value",),
)
def instruments_passed(case: OpenedCase) -> Run:
    """Every test of the instruments came out within its bounds."""
    required = {(test.id, test.subject): test for test in _required(case)}
    examined = 0
    for number, test in enumerate(case.record.self_tests):
        bounds = required.get((test.id, test.subject))
        if bounds is None:
            continue
        examined += 1
        if not bounds.keeps(test.value):
            where = f"case.json#/self_tests/{number}/value"
            yield Fault(where, f"{bounds.at_least} to {bounds.at_most}", repr(test.value))
    return examined


def _required(case: OpenedCase) -> list[InstrumentTest]:
    declared = {entry.id: entry.declared_l0 for entry in case.record.dictionaries}
    return required_tests(case.plan.model.dtype, declared)


@FAMILY.check(
    7,
    needs=("record",),
    proves="The record names the interpreter, the platform, the device and the versions of the "
    "libraries that bear on the numbers, and the run enforced deterministic algorithms.",
    cannot_prove="That this was the environment.",
    references=("question 24 (environment lock)",),
    owns=("case.json#/environment",),
)
def environment_is_stated(case: OpenedCase) -> Run:
    """The environment is named, and deterministic."""
    environment = case.record.environment
    for package in _NEEDED_PACKAGES:
        if not environment.packages.get(package):
            yield Fault("case.json#/environment/packages", f"a version of {package}", "none")
    if not environment.deterministic:
        where = "case.json#/environment/deterministic"
        yield Fault(where, "deterministic algorithms", "not enforced")
    return len(environment.packages)


@FAMILY.check(
    8,
    needs=("record",),
    proves="By its own account the run started before it finished, and finished before the "
    "time of this verification.",
    cannot_prove="When it took place: the runner's clock is its own.",
    references=("design 6", "question 29 (staleness)"),
    owns=("case.json#/times",),
)
def times_are_ordered(case: OpenedCase) -> Run:
    """The stated times are in order, and none lies ahead."""
    times = case.record.times
    if times.started > times.finished:
        yield Fault("case.json#/times/finished", f"after {times.started}", times.finished)
    if times.finished > case.at:
        yield Fault("case.json#/times/finished", f"before {case.at}", times.finished)
    return 2
