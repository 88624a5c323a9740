"""A redacted case holds what is public, commitments to the rest, and nothing beside."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

import pytest

from safetycase import canonical
from safetycase.bundle import layout
from safetycase.bundle.reader import open_case
from safetycase.bundle.redact import Redacted, redact
from safetycase.digest import sha256_hex
from safetycase.errors import UsageError
from safetycase.methods.tensors import planned_tensors
from safetycase.record.case import Case
from safetycase.record.plan import Plan
from safetycase.tables.disclosure import withheld_with
from safetycase.tables.escrow import read_escrow
from safetycase.tables.rows import TABLES, path_of
from safetycase.verify.engine import verify
from safetycase.verify.outcome import Outcome
from tests.kit.builder import AT, KitCase, honest_case
from tests.kit.cases import controlled_case, paged_case, traced_case
from tests.kit.redacted import PROMPTS, TEXTS, redacted_from, texts_withheld
from tests.kit.seal import sealed
from tests.kit.toy_order import (
    PROOF,
    RECEIPT,
    STAMP,
    awaited_case,
    trusts_all,
    witnessed_case,
)
from tests.kit.tried_cases import judged_case


@cache
def _prompts() -> Redacted:
    return redacted_from(honest_case(), PROMPTS)


def _public(redacted: Redacted) -> bytes:
    return b"\n".join(redacted.members.values())


def test_no_withheld_text_stands_in_the_public_bytes() -> None:
    public = _public(_prompts())
    for row in honest_case().rows("items"):
        assert row.prompt.encode() not in public
        assert re.search(rb"\b%s\b" % row.item.encode(), public) is None
    for row in honest_case().rows("generations"):
        assert row.output.encode() not in public


def test_no_digest_without_a_salt_stands_there_either() -> None:
    public = _public(redacted_from(judged_case(), PROMPTS))
    full = judged_case()
    texts = {row.prompt for row in full.rows("items")} | {r.item for r in full.rows("items")}
    texts |= {row.output for row in full.rows("generations")}
    digests = {sha256_hex(text.encode()) for text in texts}
    digests |= {row.prompt for row in full.rows("judgements")}
    assert not [digest for digest in digests if digest.encode() in public]


def test_outcomes_and_the_rest_of_the_record_stay() -> None:
    full, redacted = honest_case(), redacted_from(honest_case(), TEXTS)
    record = canonical.read(redacted.members["case.json"], where="case.json")
    ledger = record.pop("redactions")
    assert record == full.record
    assert {entry["column"] for entry in ledger} == {
        "output", "tokens", "stop", "nll", "edits", "delta", "residual",
    }  # fmt: skip
    assert redacted.members["plan.json"] == full.members["plan.json"]
    kept = {path_of(kind) for kind in TABLES if path_of(kind) in full.members}
    for path in kept - {"evidence/generations.jsonl"}:
        assert redacted.members[path] == full.members[path]


def test_files_that_tell_of_prompts_are_left_out_and_in_the_escrow() -> None:
    full = traced_case()
    redacted = redacted_from(full, PROMPTS)
    gone = {
        f"evidence/{stem}.safetensors"
        for stem in ("pooled", "activations", "directions", "probes", "traces")
    }
    assert gone.isdisjoint(redacted.members)
    assert {file.path for file in read_escrow(redacted.escrow).files} == gone
    assert {e.path for e in redacted.ledger if e.column is None} == gone
    assert "evidence/dictionary.safetensors" in redacted.members


def test_of_tensors_only_those_of_the_dictionary_tell_of_no_prompt() -> None:
    plans = [traced_case().plan, controlled_case().plan, honest_case().plan]
    planned = {
        tensor.path
        for plan in plans
        for tensor in planned_tensors(Plan.model_validate_json(canonical.write(plan)), {})
    }
    public = {
        f"evidence/{stem}.safetensors" for stem in ("dictionary", "encoder", "neighbours")
    }
    assert len(planned) >= 8
    assert planned - public <= set(withheld_with([PROMPTS]))
    assert public.isdisjoint(withheld_with([PROMPTS]))


def test_attribution_graphs_go_with_the_prompts() -> None:
    drawn = honest_case().with_members({"circuits/one.json": b"{}"})
    assert "circuits/one.json" not in redacted_from(drawn, PROMPTS).members
    assert "circuits/one.json" in redacted_from(drawn, TEXTS).members


def test_statements_and_pages_stay_behind() -> None:
    members = redacted_from(paged_case(), "items.other").members
    assert all(map(layout.is_bound, members))


def test_equal_names_have_equal_ids_in_all_tables() -> None:
    members = _prompts().members
    ids = {
        kind: {line.split(b",")[place] for line in members[path_of(kind)].split(b"\n")[1:-1]}
        for kind, place in (("items", 1), ("generations", 2), ("choices", 2))
    }
    assert ids["generations"] <= ids["items"]
    assert ids["choices"] <= ids["items"]
    assert len(ids["items"]) == len({row.item for row in honest_case().rows("items")})


def test_the_same_secret_gives_the_same_case_and_another_another() -> None:
    full = open_case(honest_case().to_bytes())
    one, same, other = (
        redact(full, [TEXTS], ground="privacy", reason="Why.", secret=secret)
        for secret in (b"a" * 32, b"a" * 32, b"b" * 32)
    )
    assert one == same
    assert one.case_id != other.case_id
    ledger = Case.model_validate_json(one.members["case.json"]).redactions
    assert ledger == one.ledger


@pytest.mark.parametrize(
    "name",
    [
        "nothing",
        "generations",
        "generations.nothing",
        "generations.outcome",
        "items.split",
        "traces.token",
    ],
)
def test_what_is_not_there_cannot_be_withheld(name: str) -> None:
    with pytest.raises(UsageError, match="a column of this case"):
        redacted_from(honest_case(), name)


def test_a_redacted_case_is_not_redacted_again() -> None:
    with pytest.raises(UsageError, match="a full case"):
        redacted_from(texts_withheld(), "judgements.raw")


def test_an_empty_table_has_nothing_to_withhold() -> None:
    full = honest_case()
    header = full.members["evidence/generations.jsonl"].split(b"\n")[0]
    bare = full.with_members({"evidence/generations.jsonl": header + b"\n"})
    with pytest.raises(UsageError, match="rows to withhold"):
        redacted_from(bare, TEXTS)


@pytest.mark.parametrize("build", [witnessed_case, awaited_case])
def test_what_others_state_of_the_plan_stays(build: Callable[[], KitCase]) -> None:
    made = redacted_from(build(), PROMPTS)
    kept = {RECEIPT, STAMP, PROOF} & set(build().members)
    assert {name for name in made.members if name.startswith("statements/")} == kept
    verdict = verify(sealed(KitCase(made.members)).to_bytes(), trusts_all(), at=AT)
    assert verdict.failing() == ()
    assert verdict.outcomes()["ORD-001"] is Outcome.PASS
