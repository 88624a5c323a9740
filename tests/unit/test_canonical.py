from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safetycase import canonical
from safetycase.errors import NotCanonical, SafetyCaseError, SchemaViolation, TooLarge

LIMIT = canonical.MAX_INTEGER
numbers = st.integers(-LIMIT, LIMIT) | st.floats(allow_nan=False, allow_infinity=False).filter(
    lambda f: abs(f) <= LIMIT or abs(f) >= 1e21
)
values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
anything = st.recursive(
    st.none() | st.integers() | st.floats() | st.text(st.characters()) | st.binary(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text(st.characters()) | st.none(), inner)
    ),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("data", "place", "expected"),
    [
        (b'{"a":[{"b":1,"\\u0062":2}]}', "x#/a/0", "every key once"),
        (b'{"a":1,"a":1}', "x", "every key once"),
        (b'{"a/~":{"b":1,"b":2}}', "x#/a~1~0", "every key once"),
        (b"[NaN]", "x#/0", "a finite number"),
        (b"[0,-Infinity]", "x#/1", "a finite number"),
        (b"1e400", "x", "a finite number"),
        (b"-1e400", "x", "a finite number"),
        (b"9007199254740992", "x", "integers within ±(2^53 - 1)"),
        (b"-9007199254740992", "x", "integers within ±(2^53 - 1)"),
        (b"1e20", "x", "integers within ±(2^53 - 1)"),
        (b"1" * 5000, "x", "integers within ±(2^53 - 1)"),
        (b"0." + b"3" * 127, "x", "a number of at most 128 characters"),
        (b"-0", "x", "no negative zero"),
        (b"-0.0", "x", "no negative zero and nothing that rounds to 0"),
        (b"1e-400", "x", "no negative zero and nothing that rounds to 0"),
        (b'["\\ud800"]', "x#/0", "text without lone surrogates"),
        (b'["\\uDC00\\ud800"]', "x#/0", "text without lone surrogates"),
        (b'{"\\uDFFF":0}', "x", "text without lone surrogates"),
        (b"\xef\xbb\xbf{}", "x", "UTF-8 without a byte order mark"),
        (b'"\xff"', "x", "UTF-8"),
        (b'"\xc0\x80"', "x", "UTF-8"),
        (b'"\xed\xa0\x80"', "x", "UTF-8"),
        (b"{} {}", "x", "one JSON value"),
        (b"{}\x00", "x", "one JSON value"),
        (b"[1,]", "x", "one JSON value"),
        (b"// c\n1", "x", "one JSON value"),
        (b"\xa0", "x", "UTF-8"),
        ("\u00a01".encode(), "x", "one JSON value"),
        (b'"\t"', "x", "one JSON value"),
        (b"", "x", "one JSON value"),
        (b"01", "x", "one JSON value"),
        (b"+1", "x", "one JSON value"),
    ],
)
def test_read_refuses_what_has_two_readings(data: bytes, place: str, expected: str) -> None:
    with pytest.raises(NotCanonical) as refusal:
        canonical.read(data, where="x")
    assert (refusal.value.where, refusal.value.expected) == (place, expected)


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b' {"b" : 1, "a" : [true, null, 1.5]}\n', {"b": 1, "a": [True, None, 1.5]}),
        (b"9007199254740991", LIMIT),
        (b"1e21", 1e21),
        (b"0e5", 0.0),
        (b'"\\ud83d\\ude00"', "\U0001f600"),
        (b'"\\\\ud800"', "\\ud800"),
        (b'"[[["', "[[["),
    ],
)
def test_read_accepts_strict_json(data: bytes, value: object) -> None:
    assert canonical.read(data, where="x") == value


@pytest.mark.parametrize(
    "data", [b"[" * 65, b"[" * 65 + b"]" * 65, b'{"a":' * 65, b"[" * 10**6]
)
def test_depth_is_refused_before_parsing(data: bytes) -> None:
    with pytest.raises(TooLarge, match="nesting of at most 64"):
        canonical.read(data, where="x")


def test_the_deepest_allowed_value_goes_both_ways() -> None:
    data = b"[" * 64 + b"]" * 64
    assert canonical.write(canonical.read(data, where="x")) == data


def test_brackets_in_strings_are_not_depth() -> None:
    data = b'["' + b"[" * 100 + b'\\"' + b"{" * 100 + b'"]'
    assert canonical.read(data, where="x") == ["[" * 100 + '"' + "{" * 100]


def test_an_unterminated_string_of_quotes_is_refused_in_linear_time() -> None:
    with pytest.raises(NotCanonical):
        canonical.read(b"[" * 65 + b'"' + b'\\"' * 2_000_000, where="x", limits=WIDE)


WIDE = canonical.JsonLimits(max_depth=100)


def test_size_is_refused() -> None:
    with pytest.raises(TooLarge, match="at most 3 bytes, found 4 bytes"):
        canonical.read(b"1234", where="x", limits=canonical.JsonLimits(max_bytes=3))


@pytest.mark.parametrize(
    ("value", "place", "expected"),
    [
        ({"a": ["\ud800"]}, "value#/a/0", "text without lone surrogates"),
        ({"\ud800": 1}, "value", "text without lone surrogates"),
        ({1: 2}, "value", "keys that are strings"),
        ([float("nan")], "value#/0", "a finite number"),
        (float("-inf"), "value", "a finite number"),
        (LIMIT + 1, "value", "integers within ±(2^53 - 1)"),
        (10**400, "value", "integers within ±(2^53 - 1)"),
        (1e20, "value", "integers within ±(2^53 - 1)"),
        ([b"x"], "value#/0", "a JSON value"),
        ({1}, "value", "a JSON value"),
    ],
)
def test_write_refuses_what_read_would_refuse(value: object, place: str, expected: str) -> None:
    with pytest.raises(NotCanonical) as refusal:
        canonical.write(value)
    assert (refusal.value.where, refusal.value.expected) == (place, expected)


def test_write_refuses_a_cycle() -> None:
    cycle: list[object] = []
    cycle.append(cycle)
    with pytest.raises(TooLarge, match="nesting"):
        canonical.write(cycle)


def test_keys_are_ordered_by_utf_16_units() -> None:
    assert (
        canonical.write({"\ufb33": 1, "\U0001f600": 2})
        == '{"\U0001f600":2,"\ufb33":1}'.encode()
    )


@given(values)
def test_what_is_written_reads_back_and_is_canonical(value: Any) -> None:
    spelled = canonical.write(value)
    assert canonical.read(spelled, where="x") == value
    assert canonical.read_canonical(spelled, where="x") == value
    assert canonical.is_canonical(spelled, value)


@given(st.binary() | st.text(alphabet='[]{}",:\\u019dDef.-+ tnNaI').map(str.encode))
def test_any_bytes_give_a_value_that_can_be_written_or_our_refusal(data: bytes) -> None:
    try:
        value = canonical.read(data, where="x")
    except SafetyCaseError:
        return
    assert canonical.read(canonical.write(value), where="x") == value


@given(anything)
def test_any_value_gives_bytes_or_our_refusal(value: object) -> None:
    try:
        spelled = canonical.write(value)
    except SafetyCaseError:
        return
    assert canonical.read(spelled, where="x") == value


@pytest.mark.parametrize("data", [b'{"b":1,"a":2}', b"[1, 2]", b"1.0", b'"\\u0061"', b"1 "])
def test_read_canonical_refuses_another_spelling(data: bytes) -> None:
    with pytest.raises(NotCanonical, match="the RFC 8785 spelling"):
        canonical.read_canonical(data, where="x")
    assert not canonical.is_canonical(data, canonical.read(data, where="x"))


def test_at_follows_a_pointer() -> None:
    value = canonical.read(b'{"a/b":{"~":7}}', where="x")
    assert canonical.at(value, "/a~1b/~0", where="x") == 7
    assert canonical.at(value, "", where="x") == value


@pytest.mark.parametrize("pointer", ["/b", "/a/c", "/a/b/c"])
def test_at_refuses_a_pointer_that_leads_nowhere(pointer: str) -> None:
    with pytest.raises(SchemaViolation, match="a value at"):
        canonical.at({"a": {"b": [1]}}, pointer, where="x")


@pytest.mark.parametrize(
    ("narrow", "value"),
    [
        (canonical.as_count, True),
        (canonical.as_count, 1.0),
        (canonical.as_count, "1"),
        (canonical.as_count, -1),
        (canonical.as_count, None),
        (canonical.as_text, 1),
        (canonical.as_object, []),
    ],
)
def test_narrowing_refuses_other_types(narrow: Callable[..., object], value: object) -> None:
    with pytest.raises(SchemaViolation):
        narrow(value, where="x")


def test_objects_are_closed_unless_said_otherwise() -> None:
    with pytest.raises(SchemaViolation, match="no b"):
        canonical.as_object({"a": 1}, where="x", required=("a", "b"))
    with pytest.raises(SchemaViolation, match="only known keys"):
        canonical.as_object({"a": 1, "c": 1}, where="x", required=("a",), optional=("b",))
    given_fields: dict[str, canonical.JsonValue] = {"a": 1, "c": 1}
    assert canonical.as_object(given_fields, where="x", optional=None) == given_fields


def test_arrays_have_a_limit() -> None:
    with pytest.raises(TooLarge):
        canonical.as_array([1, 2], where="x", max_items=1)


LONG = "k" * 100


@pytest.mark.parametrize(
    ("data", "place", "found"),
    [
        (b"-0", "x", "-0"),
        (b"-0.0", "x", "-0.0"),
        (b"[1e20]", "x#/0", "1e20"),
        (b"1e400", "x", "1e400"),
        (b"[NaN]", "x#/0", "NaN"),
        (b"9" * 100, "x", f"'{'9' * 60}…'"),
        (b"0." + b"3" * 127, "x", "129 characters"),
        (b'{"a":1,"b":2,"b":3}', "x", "'b' twice"),
        (b'["\\ud800"]', "x#/0", r"'\\ud800'"),
        (b'["a\xff"]', "x", "invalid start byte at byte 3"),
        (b"{} {}", "x", "Extra data at line 1 column 4"),
        (b"[\n1,]", "x", "Expecting value at line 2 column 3"),
    ],
)
def test_a_refusal_says_what_was_found_where(data: bytes, place: str, found: str) -> None:
    with pytest.raises(NotCanonical) as refusal:
        canonical.read(data, where="x")
    assert (refusal.value.where, refusal.value.found) == (place, found)


@pytest.mark.parametrize(
    ("value", "found"),
    [([float("nan")], "nan"), (10**400, "a larger one"), ([b""], "bytes"), ({1: 2}, "int")],
)
def test_what_cannot_be_written_is_told(value: object, found: str) -> None:
    with pytest.raises(NotCanonical) as refusal:
        canonical.write(value, where="x")
    assert refusal.value.where.startswith("x")
    assert refusal.value.found == found


def test_too_much_is_told_with_the_limit_and_the_place() -> None:
    small = canonical.JsonLimits(max_bytes=70, max_depth=2)
    for data, expected, found in (
        (b" " * 71, "at most 70 bytes", "71 bytes"),
        (b"[[[1]]]", "nesting of at most 2", "3"),
    ):
        with pytest.raises(TooLarge) as refusal:
            canonical.read(data, where="x", limits=small)
        told = refusal.value
        assert (told.where, told.expected, told.found) == ("x", expected, found)


@pytest.mark.parametrize("brackets", [b"[", b"{"])
def test_a_document_that_is_but_a_string_has_no_depth(brackets: bytes) -> None:
    flat = canonical.JsonLimits(max_depth=0)
    data = b'"' + brackets * 100 + b'"'
    assert canonical.read(data, where="x", limits=flat) == brackets.decode() * 100
    with pytest.raises(TooLarge):
        canonical.read(b"[]", where="x", limits=flat)


@pytest.mark.parametrize("wrap", [lambda v: [v], lambda v: {"a": v}, lambda v: (v,)])
def test_depth_is_counted_alike_in_lists_and_objects(wrap: Callable[[Any], Any]) -> None:
    value: Any = 1
    for _ in range(64):
        value = wrap(value)
    assert canonical.write(value)
    with pytest.raises(TooLarge, match="x: expected nesting of at most 64"):
        canonical.write(wrap(value), where="x")
    with pytest.raises(NotCanonical):
        canonical.write([wrap(value), float("nan")][::-1], where="x")


def test_a_wider_reader_is_still_held_to_what_can_be_written() -> None:
    deep = b"[" * 80 + b"]" * 80
    assert canonical.read(deep, where="x", limits=WIDE)
    with pytest.raises(TooLarge) as refusal:
        canonical.read_canonical(deep, where="x", limits=WIDE)
    assert refusal.value.where == "x"


@pytest.mark.parametrize(
    ("data", "byte"), [(b"1 ", 1), (b'{"a": 1}', 5), (b" 1", 0), (b"1.50", 3), (b"1e1", 1)]
)
def test_another_spelling_is_told_from_its_first_byte(data: bytes, byte: int) -> None:
    with pytest.raises(NotCanonical) as refusal:
        canonical.read_canonical(data, where="x")
    told = refusal.value
    assert (told.where, told.found) == ("x", f"another spelling from byte {byte}")


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, "null"), (True, "a boolean"), (1, "a number"), (1.5, "a number"),
        ("", "a string"), ([], "an array"), ({}, "an object"),
    ],
)  # fmt: skip
def test_a_value_of_another_type_is_told_by_its_kind(value: Any, kind: str) -> None:
    asked = {
        "an object": lambda: canonical.as_object(value, where="x"),
        "an array": lambda: canonical.as_array(value, where="x", max_items=9),
        "a string": lambda: canonical.as_text(value, where="x"),
    }
    for expected, ask in asked.items():
        if expected == kind:
            assert ask() == value
            continue
        with pytest.raises(SchemaViolation) as refusal:
            ask()
        told = refusal.value
        assert (told.where, told.expected, told.found) == ("x", expected, kind)


def test_what_is_wrong_with_fields_is_told() -> None:
    for ask, expected, found in (
        (lambda: canonical.as_count(-1, where="x"), "an integer of at least 0", "'-1'"),
        (
            lambda: canonical.as_object({"b": 1}, where="x", required=("a", "b", "c")),
            "all required keys", "no a, c",
        ),
        (lambda: canonical.as_object({"b": 1, "a": 2}, where="x"), "only known keys", "'a, b'"),
        (
            lambda: canonical.as_object({LONG: 1}, where="x"),
            "only known keys", f"'{LONG[:60]}…'",
        ),
    ):  # fmt: skip
        with pytest.raises(SchemaViolation) as refusal:
            ask()
        told = refusal.value
        assert (told.where, told.expected, told.found) == ("x", expected, found)
    with pytest.raises(TooLarge, match="x: expected at most 1 items, found 2"):
        canonical.as_array([1, 2], where="x", max_items=1)
    with pytest.raises(SchemaViolation, match="x: expected a value at /b"):
        canonical.at({"a": 1}, "/b", where="x")


@pytest.mark.parametrize("wrap", [lambda v: [v], lambda v: {"a": v}, lambda v: (v,)])
def test_a_fault_deep_inside_is_told_with_its_place(wrap: Callable[[Any], Any]) -> None:
    value: Any = float("nan")
    for _ in range(60):
        value = wrap(value)
    with pytest.raises(NotCanonical) as refusal:
        canonical.write(value, where="x")
    step = "/a" if isinstance(value, dict) else "/0"
    assert (refusal.value.where, refusal.value.found) == (f"x#{step * 60}", "nan")


@pytest.mark.parametrize(
    ("data", "limits"),
    [
        (b"1234", canonical.JsonLimits(max_bytes=4)),
        (b"[1.25]", canonical.JsonLimits(max_number_chars=4)),
        (b"[[1]]", canonical.JsonLimits(max_depth=2)),
    ],
)
def test_what_is_just_within_a_limit_is_read(data: bytes, limits: canonical.JsonLimits) -> None:
    assert canonical.write(canonical.read(data, where="x", limits=limits)) == data


def test_the_key_that_comes_twice_is_named() -> None:
    with pytest.raises(NotCanonical, match="'b'"):
        canonical.read(b'{"a":1,"b":2,"c":3,"b":4}', where="x")
