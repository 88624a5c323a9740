"""Attacks on identity: which model, dictionary, plan, instruments and machine."""

from __future__ import annotations

from tests.kit.builder import KitCase, edit_record, remove_from_record
from tests.kit.register import attack


@attack("provenance", "insider", refused_by={"PRO-001"})
def plan_digest_of_another_plan(case: KitCase) -> KitCase:
    """Let the record name the digest of another plan than the one in the case.

    The plan that was timestamped is not the one that was carried out.
    """
    return edit_record(case, "/plan_digest", "c" * 64)


@attack("provenance", "insider", refused_by={"PRO-002"})
def model_file_swapped(case: KitCase) -> KitCase:
    """Replace the digest of the weights in the record's list of files.

    The case is shown for weights that were never measured.
    """
    return edit_record(case, "/subject/files/1/sha256", "d" * 64)


@attack("provenance", "insider", refused_by={"PRO-002", "GOV-003"})
def chat_template_left_out(case: KitCase) -> KitCase:
    """Take one of the model's files out of the record's list.

    A model with other tokens or another template passes for the one that was measured.
    """
    return remove_from_record(case, "/subject/files/2")


@attack("provenance", "insider", refused_by={"PRO-003"}, as_outsider={"INT-001"})
def case_about_another_model(case: KitCase) -> KitCase:
    """Let record and statement name the manifest digest of another model than the plan's.

    A registry files the case under a model that was never measured.
    """
    return edit_record(case, "/subject/manifest_digest", "e" * 64)


@attack("provenance", "insider", refused_by={"PRO-003"})
def model_renamed(case: KitCase) -> KitCase:
    """Give the model the name of its successor.

    Readers take the case for one about the model on sale.
    """
    return edit_record(case, "/subject/name", "toy-2")


@attack("provenance", "insider", refused_by={"PRO-004"})
def dictionary_digest_swapped(case: KitCase) -> KitCase:
    """Name the digest of another dictionary.

    Feature numbers mean something else in it.
    """
    return edit_record(case, "/dictionaries/0/manifest_digest", "f" * 64)


@attack("provenance", "insider", refused_by={"PRO-004"})
def dictionary_of_another_layer(case: KitCase) -> KitCase:
    """State that the dictionary was hooked into another block.

    Whoever repeats the measurement edits the wrong activations.
    """
    return edit_record(case, "/dictionaries/0/hook", "model.layers.3.output")


@attack("provenance", "insider", refused_by={"PRO-004"})
def dictionary_that_writes_elsewhere(case: KitCase) -> KitCase:
    """State that the dictionary writes what the MLP adds, as a transcoder does.

    Whoever repeats the measurement edits another activation than the one that was read.
    """
    path = "model.layers.1.post_feedforward_layernorm.output"
    return edit_record(case, "/dictionaries/0/hook_out", path)


@attack("provenance", "insider", refused_by={"PRO-005"})
def self_test_left_out(case: KitCase) -> KitCase:
    """Take the test of the hook out of the record.

    An instrument that changes what it measures goes unnoticed.
    """
    return remove_from_record(case, "/self_tests/0")


@attack("provenance", "insider", refused_by={"PRO-005"})
def self_test_bound_widened(case: KitCase) -> KitCase:
    """Widen the bound of the test of the dictionary's unexplained variance.

    A dictionary that explains nothing passes its test.
    """
    number = _test(case, "dictionary_fvu")
    return edit_record(case, f"/self_tests/{number}/at_most", 1.0)


@attack("provenance", "insider", refused_by={"PRO-006"})
def failed_self_test_shown_as_passed(case: KitCase) -> KitCase:
    """Leave a value outside its bounds in the record, and the rest as if it had passed.

    Figures of a broken instrument stand as measurements.
    """
    number = _test(case, "dictionary_fvu")
    return edit_record(case, f"/self_tests/{number}/value", 0.9)


@attack("provenance", "insider", refused_by={"PRO-007"})
def library_version_withheld(case: KitCase) -> KitCase:
    """Take the version of the library that computed everything out of the environment.

    Nobody can set up the same machine.
    """
    return remove_from_record(case, "/environment/packages/torch")


@attack("provenance", "insider", refused_by={"PRO-007"})
def nondeterministic_run(case: KitCase) -> KitCase:
    """State that deterministic algorithms were not enforced, and claim all the same.

    A lucky repetition cannot be told from the only one.
    """
    return edit_record(case, "/environment/deterministic", False)


@attack("provenance", "insider", refused_by={"PRO-008"})
def run_from_the_future(case: KitCase) -> KitCase:
    """Let the run finish after the time at which it is verified.

    A case outlives its own expiry.
    """
    return edit_record(case, "/times/finished", "2027-01-01T00:00:00Z")


@attack("provenance", "insider", refused_by={"PRO-008"})
def finished_before_it_started(case: KitCase) -> KitCase:
    """Let the run finish before it started.

    Times that contradict each other were written, not taken.
    """
    return edit_record(case, "/times/started", "2026-11-22T12:00:00Z")


def _test(case: KitCase, name: str) -> int:
    tests = case.record["self_tests"]
    return next(n for n, test in enumerate(tests) if test["id"] == name)
