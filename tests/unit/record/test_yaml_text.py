"""YAML is read strictly: one meaning for every word, one value for every key."""

from __future__ import annotations

from typing import Any

import pytest

from safetycase.errors import MalformedInput
from safetycase.record.yaml_text import read_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: no", {"a": "no"}),
        ("a: [yes, on, off, y]", {"a": ["yes", "on", "off", "y"]}),
        ("a: true", {"a": True}),
        ("a: 2026-01-01", {"a": "2026-01-01"}),
        ("a: 1e-3", {"a": 0.001}),
        ("a: [1, -2, 0.5, -.5, 1.]", {"a": [1, -2, 0.5, -0.5, 1.0]}),
        ("a: 0x10", {"a": "0x10"}),
        ("a: 1_000", {"a": "1_000"}),
        ("a: 010", {"a": "010"}),
        ("a: 1:30", {"a": "1:30"}),
        ("a: null\nb: ~\nc:", {"a": None, "b": None, "c": None}),
        ("a: 'true'", {"a": "true"}),
        ("a: .nan", {"a": ".nan"}),
    ],
)
def test_words_are_text_unless_json_knows_them(text: str, value: Any) -> None:
    assert read_yaml(text, where="p.yaml") == value


@pytest.mark.parametrize(
    ("text", "where", "found"),
    [
        ("a: 1\nb: 2\na: 3", "p.yaml line 3", "a twice"),
        ("x:\n  - {a: 1, a: 1}", "p.yaml line 2", "a twice"),
        ("1: a", "p.yaml line 1", "1"),
        ("[1, 2]", "p.yaml", "list"),
        ("", "p.yaml", "NoneType"),
        ("a: !!python/object:os.system x", "p.yaml line 1", None),
        ("a: 1\nb: !!int x", "p.yaml line 2", "the tag tag:yaml.org,2002:int"),
        ("a: \x01", "p.yaml", None),
        ("[" * 3000, "p.yaml", "deep nesting"),
        ("a: [1", "p.yaml", None),
        ("a: 1\n---\nb: 2", "p.yaml", None),
    ],
)
def test_what_is_no_plain_mapping_is_refused(text: str, where: str, found: str | None) -> None:
    with pytest.raises(MalformedInput) as refused:
        read_yaml(text, where="p.yaml")
    assert refused.value.where == where
    assert found is None or refused.value.found == found
