"""`safetycase demo`: the whole way, from a plan to a verified, signed and rendered case."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from safetycase.cli import clock, console
from safetycase.cli.inputs import require_file
from safetycase.cli.run import BatchRows, Device, Threads, measured, rows_asked
from safetycase.errors import NotVerified, UsageError

if TYPE_CHECKING:
    from safetycase.verify.outcome import Verdict

_REPOSITORY = Path(__file__).resolve().parents[2]
_ORGANISM = _REPOSITORY / "fixtures" / "organism" / "plan.yaml"
_SIGNER = "demo"


def demo(
    out: Annotated[Path, typer.Option(help="Folder for everything that is made.")] = Path(
        "out/demo"
    ),
    plan: Annotated[
        Path | None, typer.Option(help="The plan.  [default: the embedded model's]")
    ] = None,
    threads: Threads = None,
    batch_rows: BatchRows = None,
    device: Device = "cpu",
) -> int:
    """Run, sign, verify and render one case, start to end.

    Makes keys and a policy that trusts them, and verifies again once the pages are in.

    The default plan is that of a small embedded model with known truth; it needs a clone of the
    repository. A demo that was stopped goes on where it was; one that is made again writes over
    its own case.
    """
    case = measured(
        _planned(plan),
        out,
        threads=threads,
        batch_rows=rows_asked(batch_rows),
        device=device,
        fresh=False,
        replace=True,
    )
    policy = _signed(case, out)
    pages = _rendered(case, policy, out)
    verdict = _verified(case, policy)
    for line in _summary(verdict, case, policy, pages):
        console.say(line)
    return verdict.exit_code


def _planned(plan: Path | None) -> Path:
    if plan is not None:
        return require_file(plan)
    if not _ORGANISM.is_file():
        remedy = "Run this in a clone of the repository, or give --plan."
        raise UsageError("demo", "the embedded model", found="none installed", remedy=remedy)
    return _ORGANISM


def _signed(case: Path, out: Path) -> Path:
    """The policy that trusts the demo's own signer, who has signed the case."""
    from safetycase.cli.as_written import policy_text
    from safetycase.sign.keys import generate, load
    from safetycase.sign.signer import sign_case

    keys = out / "keys"
    if (keys / f"{_SIGNER}.pub.json").is_file():
        signer = load(keys, _SIGNER).signer
    else:
        signer = generate(keys, _SIGNER)
    sign_case(case, keys, name=_SIGNER)
    policy = out / f"{case.stem}.policy.yaml"
    policy.write_bytes(policy_text(_SIGNER, signer))
    return policy


def _judged(case: Path, policy: Path) -> Verdict:
    from safetycase.verify.engine import verify
    from safetycase.verify.policy import load_policy

    return verify(case, load_policy(policy), at=clock.spell(clock.now()))


def _rendered(case: Path, policy: Path, out: Path) -> list[Path]:
    """The pages, in files and in the case, which must verify before they are made."""
    from safetycase.cli.report import rendered, written
    from safetycase.verify.policy import load_policy

    _require(_judged(case, policy), case)
    at = clock.spell(clock.now())
    pages = rendered(case, load_policy(policy), at=at, pdf=True)
    return written(case, pages, out, attach=True)


def _verified(case: Path, policy: Path) -> Verdict:
    """The verdict on the case with its pages."""
    verdict = _judged(case, policy)
    _require(verdict, case)
    return verdict


def _require(verdict: Verdict, case: Path) -> None:
    if not verdict.verified:
        raise NotVerified(str(case), "a case that verifies", found=verdict.reason)


def _summary(verdict: Verdict, case: Path, policy: Path, pages: list[Path]) -> list[str]:
    lines = ["", "verified", ""]
    for claim in verdict.claims:
        holds = "holds" if claim.holds else "does not hold"
        lines += [f"{claim.axis}: {holds}, tier {claim.tier}", f"  {claim.wording}", ""]
    lines += [f"release tier  {verdict.decision_tier}", ""]
    lines += [f"case    {case}", f"policy  {policy}"]
    lines += [f"{path.suffix[1:].upper():<7} {path}" for path in pages]
    return lines
