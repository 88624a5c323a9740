from __future__ import annotations

import pytest

from safetycase.errors import MethodRefused
from safetycase.methods.instruments import required_tests


def test_every_dictionary_is_tested() -> None:
    tests = required_tests("float32", {"a": 6.0, "b": 100.0})
    assert [(test.id, test.subject) for test in tests] == [
        ("hook_identity", "model"),
        ("zero_dose_identity", "model"),
        ("batch_parity", "model"),
        ("error_term_identity", "a"),
        ("dictionary_l0", "a"),
        ("dictionary_fvu", "a"),
        ("error_term_identity", "b"),
        ("dictionary_l0", "b"),
        ("dictionary_fvu", "b"),
    ]
    assert (tests[4].at_least, tests[4].at_most) == (2.0, 18.0)
    assert (tests[7].at_least, tests[7].at_most) == (33.3333, 300.0)


@pytest.mark.parametrize(("dtype", "ceiling"), [("float32", 1e-3), ("bfloat16", 5e-2)])
def test_parity_depends_on_the_number_format(dtype: str, ceiling: float) -> None:
    ceilings = {t.at_most for t in required_tests(dtype, {"a": 1.0}) if "parity" in t.id}
    assert ceilings == {ceiling}


@pytest.mark.parametrize(
    ("value", "keeps"), [(1.9, False), (2.0, True), (18.0, True), (18.1, False)]
)
def test_bounds_are_kept_at_their_edges(value: float, keeps: bool) -> None:
    l0 = required_tests("float32", {"a": 6.0})[4]
    assert l0.keeps(value) is keeps


def test_an_unknown_number_format_is_refused() -> None:
    with pytest.raises(MethodRefused):
        required_tests("float8", {})
