from __future__ import annotations

import pytest

from safetycase.bundle import layout


@pytest.mark.parametrize(
    ("name", "bound", "added"),
    [
        ("case.json", True, False),
        ("plan.json", True, False),
        ("evidence/rows.held-out.jsonl", True, False),
        ("evidence/traces_1.safetensors", True, False),
        ("circuits/g.json", True, False),
        ("statements/case.dsse.json", False, True),
        ("statements/plan.tsr", False, True),
        ("statements/plan.tlog-proof", False, True),
        ("report/case.html", False, True),
        ("report/case.pdf", False, True),
        ("mimetype", False, False),
        ("evidence/rows.csv", False, False),
        ("circuits/g.jsonl", False, False),
        ("statements/case.json", False, False),
        ("evidence/nul.jsonl", False, False),
        ("evidence/com1.x.jsonl", False, False),
        ("evidence/x.jsonl\n", False, False),
    ],
)
def test_each_name_is_bound_added_or_neither(name: str, bound: bool, added: bool) -> None:
    assert (layout.is_bound(name), layout.is_added(name)) == (bound, added)
