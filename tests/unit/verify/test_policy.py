from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from safetycase import canonical
from safetycase.errors import UsageError
from safetycase.resources import resource_path
from safetycase.verify.policy import Policy, load_policy, read_policy
from tests.kit.builder import OTHER_SIGNER, keys

BASE: dict[str, Any] = {
    "schema": "https://safetycase.dev/policy/v1alpha",
    "name": "p",
    "signers": [],
    "signatures": [],
    "required_checks": "all",
    "minimum_tier": "recomputed",
    "must_hold": "none",
}


def _signed(**changes: Any) -> dict[str, Any]:
    fields = {
        "signers": [keys().signer.to_json()],
        "signatures": [{"role": "developer", "threshold": 1}],
    }
    return BASE | fields | changes


def _yaml(fields: dict[str, Any]) -> str:
    text: str = yaml.safe_dump(canonical.read(canonical.write(fields), where="fields"))
    return text


def _read(fields: dict[str, Any]) -> Policy:
    return read_policy(_yaml(fields).encode(), where="p.yaml")


def test_a_policy_names_its_signers() -> None:
    policy = _read(_signed())
    assert [signer.name for signer in policy.trust().signers] == ["kit"]
    assert [(r.role, r.threshold) for r in policy.requirements()] == [("developer", 1)]


def test_a_window_is_text_in_yaml_and_a_time_in_trust() -> None:
    entry = keys().signer.to_json() | {"not_after": "2027-01-01T00:00:00Z"}
    text = _yaml(_signed(signers=[entry])).replace("'", "")
    signer = read_policy(text.encode(), where="p.yaml").trust().signers[0]
    assert signer.not_after is not None
    assert signer.not_after.year == 2027


def test_the_digest_is_of_the_meaning() -> None:
    spaced = ("# a comment\n" + yaml.safe_dump(BASE, sort_keys=False)).encode()
    assert read_policy(spaced, where="p").digest() == _read(BASE).digest()
    assert _read(BASE | {"must_hold": "all"}).digest() != _read(BASE).digest()


def _entry(**changes: Any) -> dict[str, Any]:
    return keys().signer.to_json() | changes


_OTHER = keys(OTHER_SIGNER).signer.to_json()


@pytest.mark.parametrize(
    "fields",
    [
        BASE | {"schema": "https://safetycase.dev/policy/v2"},
        BASE | {"extra": 1},
        {name: value for name, value in BASE.items() if name != "must_hold"},
        BASE | {"required_checks": []},
        BASE | {"required_checks": "some"},
        BASE | {"minimum_tier": "asserted"},
        BASE | {"must_hold": "some"},
        BASE | {"claims": {"a": {"minimum_tier": "asserted"}}},
        BASE | {"claims": {"a": {"must": True}}},
        BASE | {"claims": {"A": {}}},
        BASE | {"claims": ["a"]},
        BASE | {"signatures": [{"role": "developer", "threshold": 1}]},
        _signed(signatures=[]),
        _signed(signatures=[{"role": "developer", "threshold": 0}]),
        _signed(signatures=[{"role": "developer", "threshold": True}]),
        _signed(signatures=[{"role": "developer", "threshold": 1.5}]),
        _signed(signatures=[{"role": "developer", "threshold": 2}]),
        _signed(signatures=[{"role": "reviewer", "threshold": 1}]),
        _signed(signers=[_entry(), _entry()]),
        _signed(signers=[_entry(), _entry(name="again")]),
        _signed(signers=[_entry(keys=_entry()["keys"][:1])]),
        _signed(signers=[_entry(keys=[_entry()["keys"][0], _entry()["keys"][0]])]),
        _signed(signers=[_entry(roles=[])]),
        _signed(signers=[_entry(not_after="tomorrow")]),
        _signed(
            signers=[
                _entry(not_before="2027-01-01T00:00:00Z", not_after="2026-01-01T00:00:00Z")
            ]
        ),
    ],
)
def test_a_policy_that_cannot_be_meant_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        _read(fields)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"name: p\nname: q\n",
        b"name: [",
        b"name: !!python/object/apply:os.system [ls]",
        b"\xff\xfe",
        b"x: .nan",
        b"a" * (2**20 + 1),
    ],
)
def test_what_is_not_a_policy_is_refused(data: bytes) -> None:
    with pytest.raises(UsageError):
        read_policy(data, where="p.yaml")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as refusal:
        load_policy(tmp_path / "none.yaml")
    assert refusal.value.expected == "a readable policy"


@pytest.mark.parametrize(("name", "must_hold"), [("baseline", "none"), ("strict", "all")])
def test_shipped_policies_read(name: str, must_hold: str) -> None:
    policy = load_policy(resource_path("policies", f"{name}.yaml"))
    assert policy.name == name
    assert policy.signers == ()
    assert policy.required_checks == "all"
    assert policy.must_hold == must_hold


@pytest.mark.parametrize(
    ("must_hold", "claims", "named"),
    [
        ("none", {}, ()),
        ("all", {}, ("a", "b")),
        (["b"], {}, ("b",)),
        ("all", {"a": {"must_hold": False}}, ("b",)),
        ("none", {"b": {"must_hold": True}}, ("b",)),
        ("none", {"c": {"must_hold": True}}, ("c",)),
        ("all", {"a": {"minimum_tier": "intact"}}, ("a", "b")),
    ],
)
def test_which_claims_must_hold(must_hold: Any, claims: Any, named: tuple[str, ...]) -> None:
    policy = _read(BASE | {"must_hold": must_hold, "claims": claims})
    assert policy.that_must_hold(["a", "b"]) == named


def test_what_is_asked_of_a_single_claim() -> None:
    asked = {"a": {"minimum_tier": "sound", "required_checks": ["DES-006"]}}
    policy = _read(BASE | {"claims": asked})
    assert (policy.tier_of("a"), policy.tier_of("b")) == ("sound", "recomputed")
    assert (policy.checks_of("a"), policy.checks_of("b")) == (("DES-006",), ())
