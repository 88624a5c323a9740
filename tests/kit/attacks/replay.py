"""Attacks on statements of re-executions: by outsiders, by developers, by reviewers.

The insider here is mostly the reviewer, who holds the reviewer's keys and signs what is untrue
of the rows measured; what the case's developer signed is never touched.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from safetycase.envelope.dsse import Envelope, write_envelope
from safetycase.tables.rows import ANSWER_KINDS
from safetycase.verify.policy import Policy
from tests.kit.builder import (
    OTHER_SIGNER,
    REVIEWER,
    SIGNER,
    Json,
    KitCase,
    build_case,
    honest_case,
    keys,
    policy,
)
from tests.kit.cases import other_world_case
from tests.kit.register import Alters, attack
from tests.kit.seal import payload_of, sealed, signatures
from tests.kit.toy_replay import (
    STATEMENT,
    attached,
    predicate,
    replayed,
    replayed_case,
    reviewed,
    statement_in,
)
from tests.kit.toy_world import ToyWorld

_UNCOUNTED = {"ORD-003"}


@dataclass(frozen=True)
class DocileWorld(ToyWorld):
    """A toy that refuses every hazardous request as long as nobody edits it."""

    def outcome(self, item: Json, residual: np.ndarray, edit: np.ndarray) -> str:
        if item.kind != "benign" and not edit.any():
            return "refusal"
        return super().outcome(item, residual, edit)


@dataclass(frozen=True)
class SlightlyOtherWorld(ToyWorld):
    """A toy that gives the letters of some questions other log-probabilities."""

    def letters(self, item: Json, edit: np.ndarray) -> tuple[float, float, float, float]:
        one, two, three, four = super().letters(item, edit)
        is_other = int(item.item[1:]) % 16 == 3
        return (one - 0.1 if is_other else one), two, three, four


@cache
def docile_case() -> KitCase:
    """A forger's case: the refusals of another toy stand where this one complied."""
    return build_case(world=DocileWorld(7))


@cache
def doubted_case() -> KitCase:
    """The honest case, with a reviewer's honest statement that some rows differ."""
    return replayed(honest_case(), toy=SlightlyOtherWorld(7))


@cache
def developer_who_reviews() -> Policy:
    """A policy that lets the developer sign as a reviewer too."""
    both = keys().signer.to_json() | {"roles": ["developer", REVIEWER]}
    return policy(signers=[both])


def outsider(
    *checks: str, unknown: frozenset[str] | set[str] = frozenset()
) -> Callable[..., Alters]:
    """Register an attack by somebody who holds nobody's keys but his own."""
    return attack(
        "replay", "outsider", refused_by=checks, unknown=unknown,
        base=replayed_case, under=reviewed,
    )  # fmt: skip


def insider(
    *checks: str,
    unknown: frozenset[str] | set[str] = frozenset(),
    base: Callable[[], KitCase] = replayed_case,
    under: Callable[[], Policy] = reviewed,
) -> Callable[..., Alters]:
    """Register an attack by somebody who holds keys, and signs the statement himself."""
    return attack(
        "replay", "insider", refused_by=checks, unknown=unknown, as_outsider=None,
        base=base, under=under, seals_itself=True,
    )  # fmt: skip


def _resigned(case: KitCase, change: Callable[[Json], None]) -> KitCase:
    """The statement altered, and signed again by the reviewer."""
    _, about, stated = statement_in(case)
    change(stated)
    return attached(case, about, stated)


def _other_places(case: KitCase, count: int) -> list[Json]:
    """The first rows of the first table, which no nonce drew in that order."""
    table = next(kind for kind in ANSWER_KINDS if case.rows(kind))
    return [{"table": table, "line": line} for line in range(2, count + 2)]


@outsider("REP-001", unknown=_UNCOUNTED)
def replay_nonce_edited(case: KitCase) -> KitCase:
    """Change the nonce in the reviewer's statement.

    Rows that were picked by hand look drawn.
    """
    envelope, _, _ = statement_in(case)
    payload = envelope.payload.replace(b"a-nonce-of", b"b-nonce-of")
    forged = Envelope(envelope.payload_type, payload, envelope.signatures)
    return case.with_members({STATEMENT: write_envelope(forged)})


@outsider("REP-001", unknown=_UNCOUNTED)
def replay_without_its_post_quantum_half(case: KitCase) -> KitCase:
    """Leave only the reviewer's Ed25519 signature.

    Whoever breaks elliptic curves later re-executes in the reviewer's name.
    """
    return _halved(case, 64)


@outsider("REP-001", unknown=_UNCOUNTED)
def replay_without_its_classical_half(case: KitCase) -> KitCase:
    """Leave only the reviewer's ML-DSA-65 signature.

    A fault found in the young algorithm is enough to forge a re-execution.
    """
    return _halved(case, 3309)


def _halved(case: KitCase, size: int) -> KitCase:
    envelope, _, _ = statement_in(case)
    kept = tuple(s for s in envelope.signatures if len(s.sig) == size)
    half = Envelope(envelope.payload_type, envelope.payload, kept)
    return case.with_members({STATEMENT: write_envelope(half)})


@outsider("REP-001", unknown={*_UNCOUNTED, "REP-002", "REP-003"})
def replay_of_another_shape(case: KitCase) -> KitCase:
    """Put the case's own statement in the place of the reviewer's.

    What is signed by the right people passes for what it does not say.
    """
    return case.with_members({STATEMENT: case.members["statements/case.dsse.json"]})


@outsider("REP-002", unknown=_UNCOUNTED)
def replay_of_another_case(case: KitCase) -> KitCase:
    """Attach the reviewer's statement about another case of the same plan.

    One honest case lends its re-execution to all others.
    """
    other = replayed(other_world_case(), toy=ToyWorld(8))
    return case.with_members({STATEMENT: other.members[STATEMENT]})


@outsider()
def replay_by_a_stranger(case: KitCase) -> KitCase:
    """Attach a second statement, by a stranger to the policy, full of faults of all kinds.

    Anybody could veto a case if this counted against it, or lift one if it counted for it. It
    counts for nothing.
    """
    about, stated = predicate(honest_case(), toy=ToyWorld(8))
    stated["nonce"] = "another-nonce-altogether"
    stated["samples"][0]["at_most"] = 0
    name = STATEMENT.replace("kit", "stranger")
    return attached(case, about, stated, signers=(OTHER_SIGNER,), name=name)


@insider("REP-001", unknown=_UNCOUNTED)
def replay_by_the_developer(case: KitCase) -> KitCase:
    """Sign the statement of the re-execution with the developer's keys.

    The developer vouches for his own rows.
    """
    _, about, stated = statement_in(case)
    return attached(case, about, stated, signers=(SIGNER,))


@insider("REP-001", unknown=_UNCOUNTED, base=honest_case, under=developer_who_reviews)
def replay_by_a_developer_who_reviews(case: KitCase) -> KitCase:
    """Let a developer whom the policy names a reviewer as well re-execute his own case.

    A second hat passes for a second person.
    """
    return replayed(case, signers=(SIGNER,))


@insider("REP-001", unknown=_UNCOUNTED, base=honest_case)
def replay_by_a_signer_of_the_case(case: KitCase) -> KitCase:
    """Let a reviewer sign the case beside its developer, and then re-execute it.

    Who vouches for a case has a reason to find that it holds.
    """
    payload = payload_of(case)
    signed = sealed(case, payload, [*signatures(payload), *signatures(payload, REVIEWER)])
    return replayed(signed)


@insider("REP-002", unknown=_UNCOUNTED)
def replay_nonce_changed_after_the_draw(case: KitCase) -> KitCase:
    """As the reviewer, state another nonce than the one that drew the rows.

    The rows look as if nobody could have known them.
    """
    return _resigned(case, lambda stated: stated.update(nonce="somebody-elses-beacon-round"))


@insider("REP-002", "REP-003", unknown=_UNCOUNTED)
def replay_rows_swapped_for_easier_ones(case: KitCase) -> KitCase:
    """As the reviewer, list the first rows of a table as those that were drawn.

    Rows are shown that are known to agree.
    """

    def swap(stated: Json) -> None:
        sample = stated["samples"][0]
        sample["chosen"] = _other_places(case, len(sample["chosen"]))

    return _resigned(case, swap)


@insider("REP-002", unknown=_UNCOUNTED)
def replay_of_picked_rows(case: KitCase) -> KitCase:
    """As the reviewer, show only the rows behind the claims as the sample of the whole case.

    A sample that is consistent in itself, and that nobody drew.
    """

    def pick(stated: Json) -> None:
        whole, axis = stated["samples"][:2]
        whole["chosen"] = axis["chosen"]
        drawn = {(p["table"], p["line"]) for s in stated["samples"] for p in s["chosen"]}
        stated["measured"] = [
            row for row in stated["measured"] if (row["table"], row["line"]) in drawn
        ]

    return _resigned(case, pick)


@insider("REP-002", unknown=_UNCOUNTED, base=doubted_case)
def replay_without_the_rows_that_differ(case: KitCase) -> KitCase:
    """As the reviewer, drop every row that differs, from the draws and from the list alike.

    What is left agrees in full.
    """

    def drop(stated: Json) -> None:
        bad = {(r["table"], r["line"]) for r in stated["measured"] if r["differs"]}
        assert bad
        stated["measured"] = [r for r in stated["measured"] if not r["differs"]]
        for sample in stated["samples"]:
            sample["chosen"] = [
                place
                for place in sample["chosen"]
                if (place["table"], place["line"]) not in bad
            ]
            sample["differing"] = 0
        _recount(stated)

    return _resigned(case, drop)


def _recount(stated: Json) -> None:
    from safetycase.methods.finite_population import most_bad  # noqa: PLC0415
    from safetycase.methods.replay_result import LEVEL  # noqa: PLC0415

    for sample in stated["samples"]:
        drawn, population = len(sample["chosen"]), sample["population"]
        sample["at_most"] = most_bad(sample["differing"], drawn, population, LEVEL)


@insider("REP-003", unknown=_UNCOUNTED)
def replay_row_left_out_of_the_list(case: KitCase) -> KitCase:
    """As the reviewer, list all draws, but leave one drawn row out of what was measured.

    The row that differed is not there to be read.
    """
    return _resigned(case, lambda stated: stated["measured"].pop(3))


@insider("REP-003", "ORD-003", base=lambda: replayed(honest_case(), toy=ToyWorld(8)))
def replay_disagreement_called_agreement(case: KitCase) -> KitCase:
    """As the reviewer, state of every row that differs that it agrees.

    The flags say one thing, the values beside them another.
    """

    def flip(stated: Json) -> None:
        for row in stated["measured"]:
            row["differs"] = []
        for sample in stated["samples"]:
            sample["differing"] = 0
        _recount(stated)

    return _resigned(case, flip)


@insider("REP-003")
def replay_bound_rounded_in_our_favour(case: KitCase) -> KitCase:
    """As the reviewer, state a bound that is one row lower than the draws allow.

    A bound of 5.01 % is shown as 5 %.
    """

    def round_down(stated: Json) -> None:
        stated["samples"][0]["at_most"] -= 1

    return _resigned(case, round_down)


@insider("REP-003")
def replay_tolerance_widened(case: KitCase) -> KitCase:
    """As the reviewer, state a tolerance of one nat for a model in float32.

    Rows of another model agree.
    """
    return _resigned(case, lambda stated: stated["tolerance"].update(log_probability=1.0))


@insider("REP-002", unknown=_UNCOUNTED)
def replay_with_other_weights(case: KitCase) -> KitCase:
    """As the reviewer, state the digest of another model's files.

    The next version was measured, and agrees where nothing changed.
    """
    return _resigned(case, lambda stated: stated["weights"].update(model="9" * 64))


@insider("ORD-003", base=honest_case)
def forged_rows_measured_again(_case: KitCase) -> KitCase:
    """Forge the whole case with another toy, consistently; then somebody honest measures again.

    The forger is caught by the rows that a nonce drew, whichever they are.
    """
    return replayed(build_case(world=ToyWorld(8)), toy=ToyWorld(7))


@insider("ORD-003", base=honest_case)
def few_forged_rows_behind_a_claim(_case: KitCase) -> KitCase:
    """Forge only refusals of the unedited toy: few of all rows, many of those behind a claim.

    A sample of all rows alone would miss it more often than not.
    """
    return replayed(docile_case(), toy=ToyWorld(7))
