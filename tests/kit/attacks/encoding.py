"""Attacks on spelling: one value with two readings, or two spellings of one value."""

from __future__ import annotations

import base64

from safetycase import canonical
from safetycase.envelope.dsse import read_envelope
from tests.kit.builder import KitCase, edit_record
from tests.kit.register import after_stage, attack
from tests.kit.seal import STATEMENT, sealed

_CLAIM = b'"wording":"'


def _respelled(case: KitCase, name: str, old: bytes, new: bytes) -> KitCase:
    data = case.members[name]
    assert old in data
    return case.with_members({name: data.replace(old, new, 1)})


@attack(
    "encoding",
    "insider",
    refused_by={"ENC-001"},
    unknown=after_stage(1),
    as_outsider={"ENC-001"},
)
def record_key_twice(case: KitCase) -> KitCase:
    """Give the release decision twice in case.json, and sign it.

    One parser shows the reader the first tier, another verifies the second.
    """
    return _respelled(case, "case.json", b'"decision":{', b'"decision":{"tier":"general",')


@attack(
    "encoding",
    "insider",
    refused_by={"ENC-001"},
    unknown=after_stage(1),
    as_outsider={"ENC-001"},
)
def record_with_spaces(case: KitCase) -> KitCase:
    """Spell case.json with a space after a colon, and sign it.

    Equal records get different digests, so that copies cannot be recognised.
    """
    return _respelled(case, "case.json", _CLAIM, b'"wording": "')


@attack(
    "encoding",
    "insider",
    refused_by={"ENC-001"},
    unknown=after_stage(1),
    as_outsider={"ENC-001"},
)
def record_with_nan(case: KitCase) -> KitCase:
    """Write NaN where a figure stands, and sign it.

    Comparisons with NaN are false both ways: no bound is ever exceeded.
    """
    return _respelled(case, "case.json", b'"value":0', b'"value":NaN')


@attack(
    "encoding",
    "insider",
    refused_by={"ENC-001"},
    unknown=after_stage(1),
    as_outsider={"ENC-001"},
)
def record_with_lone_surrogate(case: KitCase) -> KitCase:
    r"""Put a lone surrogate (`\ud800`) into the claim's sentence, and sign it.

    Readers replace it each in their own way, so that nobody sees what was signed.
    """
    return _respelled(case, "case.json", _CLAIM, _CLAIM + b"\\ud800")


@attack(
    "encoding",
    "insider",
    refused_by={"ENC-001"},
    unknown=after_stage(1),
    as_outsider={"ENC-001"},
)
def second_record_after_the_first(case: KitCase) -> KitCase:
    """Write a second JSON value after the record, and sign both.

    Readers that stop at the end of the first value disagree with those that go on.
    """
    data = case.members["case.json"]
    return case.with_members({"case.json": data + data})


@attack(
    "encoding",
    "insider",
    refused_by={"ENC-002"},
    unknown=after_stage(1),
    as_outsider={"ENC-002"},
)
def plan_key_twice(case: KitCase) -> KitCase:
    """Give the margin of the claim twice in plan.json, and sign it.

    The plan that was registered and the plan that is checked differ.
    """
    return _respelled(case, "plan.json", b'"margin":0.1', b'"margin":0.3,"margin":0.1')


@attack(
    "encoding",
    "insider",
    refused_by={"ENC-003"},
    unknown=after_stage(1),
    as_outsider={"ENC-003"},
    seals_itself=True,
)
def statement_with_spaces(case: KitCase) -> KitCase:
    """Sign a statement that is not in its canonical spelling.

    One case gets as many identities as there are spellings.
    """
    payload = read_envelope(case.members[STATEMENT], where=STATEMENT).payload
    return sealed(case, payload.replace(b'":', b'": '))


@attack(
    "encoding",
    "insider",
    refused_by={"ENC-003"},
    unknown=after_stage(1),
    as_outsider={"ENC-003"},
    seals_itself=True,
)
def statement_of_another_kind(case: KitCase) -> KitCase:
    """Sign the same files under another predicate type: a draft, not a case.

    A signature made for one purpose is used for another.
    """
    payload = read_envelope(case.members[STATEMENT], where=STATEMENT).payload
    return sealed(case, payload.replace(b"/case/v1alpha", b"/draft/v1alpha"))


@attack(
    "encoding",
    "outsider",
    refused_by={"ENC-003"},
    unknown=after_stage(1),
)
def payload_type_changed(case: KitCase) -> KitCase:
    """Change the envelope's payload type to plain JSON.

    A signature over one kind of document is shown for another.
    """
    return _respelled(case, STATEMENT, b"application/vnd.in-toto+json", b"application/json")


@attack(
    "encoding",
    "outsider",
    refused_by={"ENC-003"},
    unknown=after_stage(1),
)
def no_signatures(case: KitCase) -> KitCase:
    """Take all signatures out of the envelope.

    A threshold over an empty list is met.
    """
    envelope = canonical.read(case.members[STATEMENT], where=STATEMENT)
    assert isinstance(envelope, dict)
    return case.with_members({STATEMENT: canonical.write(envelope | {"signatures": []})})


@attack(
    "encoding",
    "outsider",
    refused_by={"ENC-003"},
    unknown=after_stage(1),
)
def payload_in_lax_base64(case: KitCase) -> KitCase:
    """Spell the payload's base64 with line breaks.

    What one decoder accepts and another refuses is verified by the one only.
    """
    envelope = canonical.read(case.members[STATEMENT], where=STATEMENT)
    assert isinstance(envelope, dict)
    broken = base64.encodebytes(base64.b64decode(str(envelope["payload"]))).decode()
    return case.with_members({STATEMENT: canonical.write(envelope | {"payload": broken})})


@attack("encoding", "insider", refused_by={"ENC-004"})
def number_in_another_spelling(case: KitCase) -> KitCase:
    """Write a number of a table as 0.0e0, and sign it.

    Two files with equal rows have different digests, and a text search misses one of them.
    """
    return _respelled(case, "evidence/generations.jsonl", b",0,0.0,0.0,", b",0,0.0e0,0.0,")


@attack("encoding", "insider", refused_by={"ENC-005"})
def padding_in_a_tensor_file(case: KitCase) -> KitCase:
    """Pad the header of a tensor file with eight more spaces, and sign it.

    Two files with equal tensors have different digests.
    """
    name = "evidence/probes.safetensors"
    data = case.members[name]
    length = int.from_bytes(data[:8], "little")
    header = (length + 8).to_bytes(8, "little") + data[8 : 8 + length] + b" " * 8
    return case.with_members({name: header + data[8 + length :]})


@attack("encoding", "insider")
def extension_that_claims(case: KitCase) -> KitCase:
    """Put a glowing claim into the record's extensions, and sign it.

    A reader takes it for verified. It is let through, and nothing is read from it: outcomes,
    tiers and wordings are those of the honest case, and the page prints it as unverified.
    """
    claim = {"claim": "The model is safe in all circumstances.", "tier": "reproduced"}
    return edit_record(case, "/extensions", {"example.org/claim": claim})
