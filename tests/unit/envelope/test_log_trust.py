"""Whose word a log proof takes: times, quorums, the log, and the keys a policy may name."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from safetycase.envelope.log_proof import (
    LogTrust,
)
from safetycase.envelope.signed_note import KeyType, VerifierKey
from safetycase.errors import (
    KeyRefused,
    MalformedInput,
    SchemaViolation,
)
from tests.kit.toy_log import (
    CLASSIC,
    COSIGNED,
    COSIGNED_PQ,
    MODERN,
    NOTE,
    ORIGIN,
    TIME,
    Hand,
    ToyLog,
    b64,
    hand,
    line,
    spell,
    trust,
)
from tests.unit.envelope.proofs import (
    CLASSIC_LINE,
    LOG_LINE,
    MODERN_LINE,
    PROOF,
    START,
    read,
    toy,
    with_lines,
)

LAST_SECOND = 253_402_300_799


# Time.


@pytest.mark.parametrize(
    ("times", "quorum", "at"),
    [((60, 0), 1, 0), ((0, 60), 1, 0), ((60, 0), 2, 60), ((0, 60), 2, 60), ((5, 5), 2, 5)],
)
def test_the_time_is_that_of_the_last_witness_a_quorum_needs(
    times: tuple[int, int], quorum: int, at: int
) -> None:
    log = toy()
    made = [w.line(log.text(), TIME + t) for w, t in zip(log.witnesses, times, strict=True)]
    found = read(with_lines([LOG_LINE, *made]), trusted=log.trust(quorum))
    assert found.at == START + timedelta(seconds=at)
    assert found.witnesses == (CLASSIC, MODERN)


def test_one_early_liar_does_not_move_the_time_of_a_quorum_of_two() -> None:
    hands = [hand(f"w{n}", COSIGNED) for n in range(3)]
    made = [w.line(toy().text(), t) for w, t in zip(hands, (1, TIME, TIME + 9), strict=True)]
    trusted = trust([toy().log], hands, 2)
    assert read(with_lines([LOG_LINE, *made]), trusted=trusted).at == START


@pytest.mark.parametrize("time", [1, LAST_SECOND])
@pytest.mark.parametrize("position", [0, 1])
def test_the_first_and_the_last_second(time: int, position: int) -> None:
    witness = toy().witnesses[position]
    trusted = trust([toy().log], [witness], 1)
    proof = with_lines([LOG_LINE, witness.line(toy().text(), time)])
    at = read(proof, trusted=trusted).at
    assert at == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=time)


@pytest.mark.parametrize("time", [0, LAST_SECOND + 1, 2**63 - 1])
@pytest.mark.parametrize("position", [0, 1])
def test_a_cosignature_without_a_tellable_time_does_not_count(time: int, position: int) -> None:
    lines = [LOG_LINE, CLASSIC_LINE, MODERN_LINE]
    lines[1 + position] = toy().witnesses[position].line(toy().text(), time)
    proof = with_lines(lines)
    other = (MODERN, CLASSIC)[position]
    with pytest.raises(KeyRefused, match=f"of 2 trusted witnesses, found {other}"):
        read(proof)
    assert read(proof, trusted=toy().trust(1)).witnesses == (other,)


@pytest.mark.parametrize("time", [2**63, 2**64 - 1])
@pytest.mark.parametrize("position", [0, 1])
def test_a_time_of_64_bits_is_a_false_signature(time: int, position: int) -> None:
    lines = [LOG_LINE, CLASSIC_LINE, MODERN_LINE]
    lines[1 + position] = toy().witnesses[position].line(toy().text(), time)
    with pytest.raises(MalformedInput, match="no false signature"):
        read(with_lines(lines), trusted=toy().trust(1))


def test_the_time_is_signed() -> None:
    for position in (0, 1):
        witness = toy().witnesses[position]
        made = witness.sign(toy().text(), TIME)
        early = (TIME - 1).to_bytes(8, "big") + made[8:]
        lines = [LOG_LINE, CLASSIC_LINE, MODERN_LINE]
        lines[1 + position] = line(witness.name, witness.key_id, early)
        with pytest.raises(MalformedInput, match=f"a false one of {witness.name}, key id"):
            read(with_lines(lines))


# Quorum (trust.md item 41).


@pytest.mark.parametrize("lines", [[], [CLASSIC_LINE], [MODERN_LINE], [CLASSIC_LINE] * 3])
def test_a_quorum_is_of_distinct_witnesses(lines: list[str]) -> None:
    found = MODERN if MODERN_LINE in lines else CLASSIC if lines else "none"
    with pytest.raises(KeyRefused, match=f"found {found}. Ask the log") as refused:
        read(with_lines([LOG_LINE, *lines]))
    assert refused.value.where == "plan.tlog-proof"


def test_a_witness_counts_once_with_two_signatures_and_with_two_keys() -> None:
    twice = Hand(CLASSIC, COSIGNED_PQ, hand("another key", COSIGNED_PQ).private)
    text = toy().text()
    classic = toy().witnesses[0]
    late, early = classic.line(text, TIME + 99), classic.line(text, TIME + 7)
    lines = [LOG_LINE, late, early, twice.line(text, TIME + 8)]
    trusted = trust([toy().log], [*toy().witnesses, twice], 1)
    found = read(with_lines(lines), trusted=trusted)
    assert (found.at, found.witnesses) == (START + timedelta(seconds=7), (CLASSIC,))
    trusted = trust([toy().log], [*toy().witnesses, twice], 2)
    with pytest.raises(KeyRefused, match=f"found {CLASSIC}"):
        read(with_lines(lines), trusted=trusted)
    with pytest.raises(SchemaViolation, match="from 1 to 2, found 3"):
        trust([toy().log], [*toy().witnesses, twice], 3)


def test_unknown_witnesses_do_not_count_and_do_not_harm() -> None:
    strangers = [hand(f"stranger{n}", COSIGNED + 2 * (n % 2)) for n in range(5)]
    others = [hand(CLASSIC, COSIGNED, "other"), hand(MODERN, COSIGNED_PQ, "other")]
    made = [w.line(toy().text()) for w in (*strangers, *others)]
    with pytest.raises(KeyRefused, match="found none"):
        read(with_lines([LOG_LINE, *made]))
    lines = [*made, MODERN_LINE, line("junk", b"1234", b"5"), LOG_LINE, CLASSIC_LINE]
    assert read(with_lines(lines)).witnesses == (CLASSIC, MODERN)


def test_a_witness_is_not_the_log_and_the_log_is_no_witness() -> None:
    with pytest.raises(KeyRefused, match="by a log that the policy trusts"):
        read(with_lines([CLASSIC_LINE, MODERN_LINE]))
    log = toy().log
    as_witness = Hand(log.name, COSIGNED, log.private).line(toy().text())
    with pytest.raises(KeyRefused, match="found none"):
        read(with_lines([LOG_LINE, as_witness]), trusted=toy().trust(1))


def test_a_witness_signs_this_checkpoint() -> None:
    for other in (
        toy().text().replace(ORIGIN, "log.example/other"),
        toy().text().replace("\n7\n", "\n8\n"),
        f"{ORIGIN}\n7\n{b64(bytes(32))}\n",
    ):
        for position in (0, 1):
            lines = [LOG_LINE, CLASSIC_LINE, MODERN_LINE]
            lines[1 + position] = toy().witnesses[position].line(other)
            with pytest.raises(MalformedInput, match="no false signature under a trusted key"):
                read(with_lines(lines), trusted=toy().trust(1))


def test_an_ml_dsa_witness_signs_its_name() -> None:
    modern = toy().witnesses[1]
    renamed = Hand("witness.example/renamed", COSIGNED_PQ, modern.private)
    made = line(MODERN, modern.key_id, renamed.sign(toy().text(), TIME))
    with pytest.raises(MalformedInput, match="no false signature"):
        read(with_lines([LOG_LINE, CLASSIC_LINE, made]))


def test_signatures_of_another_kind_do_not_pass() -> None:
    """The log's key signs the note, a witness's a time too: neither stands for the other."""
    log, (classic, modern) = toy().log, toy().witnesses
    text = toy().text()
    bare = line(CLASSIC, classic.key_id, Hand(CLASSIC, NOTE, classic.private).sign(text, 0))
    stamped = line(ORIGIN, log.key_id, Hand(ORIGIN, COSIGNED, log.private).sign(text, TIME))
    swapped = line(MODERN, modern.key_id, classic.sign(text, TIME))
    for lines in (
        [LOG_LINE, bare, MODERN_LINE],
        [stamped, CLASSIC_LINE, MODERN_LINE],
        [LOG_LINE, CLASSIC_LINE, swapped],
        [LOG_LINE, CLASSIC_LINE, line(MODERN, modern.key_id, b"short")],
    ):
        with pytest.raises(MalformedInput, match="no false signature"):
            read(with_lines(lines))


# The log (item 39).


def test_a_log_signs_under_its_origin() -> None:
    other = replace(toy(), log=hand("log.example/other", NOTE))
    with pytest.raises(
        KeyRefused, match=r"found 'log.example/other'\. Check the log's"
    ) as refused:
        read(other.proof(3))
    assert refused.value.where == "plan.tlog-proof"
    trusted = trust([toy().log, other.log], toy().witnesses, 2)
    assert read(other.proof(3), trusted=trusted).origin == "log.example/other"
    text = toy().text()
    lines = [other.log.line(text), CLASSIC_LINE, MODERN_LINE]
    with pytest.raises(KeyRefused, match=f"found '{ORIGIN}'"):
        read(with_lines(lines), trusted=trusted)


def test_a_log_may_sign_with_ml_dsa_and_with_several_keys() -> None:
    modern, old = hand(ORIGIN, COSIGNED_PQ), hand(ORIGIN, NOTE, "old")
    trusted = trust([modern, toy().log], toy().witnesses, 2)
    for made in (
        [modern.line(toy().text(), 0)],
        [modern.line(toy().text()), LOG_LINE],
        [old.line(toy().text()), LOG_LINE],
        [LOG_LINE, LOG_LINE],
    ):
        proof = with_lines([*made, CLASSIC_LINE, MODERN_LINE])
        assert read(proof, trusted=trusted).at == START + timedelta(minutes=1)
    with pytest.raises(KeyRefused, match="by a log that the policy trusts"):
        read(with_lines([old.line(toy().text()), CLASSIC_LINE, MODERN_LINE]), trusted=trusted)


def test_one_false_signature_of_a_trusted_key_spoils_the_note() -> None:
    text = toy().text()
    for made in (toy().log, *toy().witnesses):
        forged = line(
            made.name,
            made.key_id,
            Hand(made.name, made.kind, hand("x", made.kind).private).sign(text, TIME),
        )
        for lines in (
            [forged, LOG_LINE, CLASSIC_LINE, MODERN_LINE],
            [LOG_LINE, CLASSIC_LINE, MODERN_LINE, forged],
        ):
            with pytest.raises(MalformedInput, match=f"a false one of {made.name}, key id"):
                read(with_lines(lines), trusted=toy().trust(1))


def test_extension_lines_are_the_logs_to_write() -> None:
    log = toy()
    text = log.text() + "extension\nanother\n"
    proof = spell(3, log.hashes(3), text, log.lines(text))
    assert read(proof) == read(PROOF)
    added = PROOF.replace(b"=\n\n\xe2", b"=\nextension\n\n\xe2")
    assert added != PROOF
    with pytest.raises(MalformedInput, match="no false signature"):
        read(added)


def test_the_extension_lines_of_an_ml_dsa_log_are_nobodys() -> None:
    """No signature covers them, so that whoever passes the proof on can write some."""
    log = replace(toy(), log=hand(ORIGIN, COSIGNED_PQ), witnesses=toy().witnesses[1:])
    text = log.text() + "extension\n"
    assert (
        read(spell(3, log.hashes(3), text, log.lines(log.text())), trusted=log.trust(1)).size
        == 7
    )


# Trust.


def keys(log: ToyLog) -> tuple[tuple[VerifierKey, ...], tuple[VerifierKey, ...]]:
    trusted = log.trust()
    return trusted.logs, trusted.witnesses


@pytest.mark.parametrize("quorum", [0, -1, 3, True, 1.0, "1", None])
def test_a_quorum_is_an_integer_that_can_be_reached(quorum: object) -> None:
    logs, witnesses = keys(toy())
    with pytest.raises(SchemaViolation, match="quorum: expected an integer from 1 to 2"):
        LogTrust(logs, witnesses, quorum)  # type: ignore[arg-type]


def test_nobody_is_no_quorum() -> None:
    logs, witnesses = keys(toy())
    with pytest.raises(SchemaViolation, match="witnesses: expected at least one verifier key"):
        LogTrust(logs, (), 0)
    with pytest.raises(SchemaViolation, match="logs: expected at least one verifier key"):
        LogTrust((), witnesses, 1)


def test_a_public_key_is_there_once() -> None:
    logs, (classic, modern) = keys(toy())
    log = logs[0]
    renamed = replace(classic, name="another")
    for twice in (
        (logs, (classic, modern, renamed)),
        (logs, (classic, classic)),
        ((log, replace(log, name="another")), (classic,)),
        ((log, log), (classic,)),
        (logs, (VerifierKey("another", KeyType.COSIGNATURE_ED25519, log.raw),)),
        ((log, replace(modern, name="another")), (modern,)),
    ):
        with pytest.raises(KeyRefused, match="every public key once"):
            LogTrust(*twice, 1)


def test_a_log_is_not_its_own_witness() -> None:
    logs, _ = keys(toy())
    own = VerifierKey(ORIGIN, KeyType.COSIGNATURE_ED25519, hand("x", COSIGNED).public)
    with pytest.raises(KeyRefused, match=f"no name in both, found {ORIGIN}"):
        LogTrust(logs, (own,), 1)


def test_logs_and_witnesses_have_keys_of_their_kind() -> None:
    (log,), (classic, modern) = keys(toy())
    with pytest.raises(
        KeyRefused, match=f"logs: expected keys of type 01 or 06, found 04 of {CLASSIC}"
    ):
        LogTrust((classic,), (modern,), 1)
    with pytest.raises(
        KeyRefused, match=f"witnesses: expected keys of type 04 or 06, found 01 of {ORIGIN}"
    ):
        LogTrust((replace(modern, name="x"),), (log,), 1)


def test_keys_of_one_name_and_id_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    (log,), witnesses = keys(toy())
    other = VerifierKey(ORIGIN, KeyType.NOTE_ED25519, hand("x", NOTE).public)
    assert LogTrust((log, other), witnesses, 1).logs == (log, other)
    monkeypatch.setattr(VerifierKey, "key_id", b"same")
    with pytest.raises(KeyRefused, match=f"ids that differ, found {ORIGIN}"):
        LogTrust((log, other), witnesses, 1)


def test_a_key_id_collision_is_a_false_signature() -> None:
    """Whoever finds a key with a witness's key id has still not found the witness's key."""
    attacker = hand("x", COSIGNED).private
    collided = line(
        CLASSIC,
        toy().witnesses[0].key_id,
        Hand(CLASSIC, COSIGNED, attacker).sign(toy().text(), TIME),
    )
    with pytest.raises(MalformedInput, match="no false signature"):
        read(with_lines([LOG_LINE, MODERN_LINE, collided]))
