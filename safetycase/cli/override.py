"""`safetycase override`: somebody sets another release tier, for all to see."""

from __future__ import annotations

from typing import Annotated

import typer

from safetycase.cli import console
from safetycase.cli.exit_code import ExitCode
from safetycase.cli.inputs import CasePath, require_file


def override(
    case: CasePath,
    by: Annotated[str, typer.Option(help="Name of the signer who sets the tier.")],
    tier: Annotated[str, typer.Option(help="The tier, one of the plan's.")],
    reason: Annotated[str, typer.Option(help="Why, in words.")],
) -> int:
    """Set another release tier than the one that the plan's rules give.

    The derived tier stays, the override stands beside it on every verdict and page. A looser
    one leaves a case undecided unless the reader's policy names its signer in `may_loosen`.
    What was signed is changed: statements and pages are dropped; sign again.
    """
    from pydantic import ValidationError

    from safetycase import canonical
    from safetycase.bundle import layout
    from safetycase.bundle.reader import open_case
    from safetycase.bundle.writer import write_case
    from safetycase.errors import UsageError
    from safetycase.methods.decision import direction
    from safetycase.record.case import Case
    from safetycase.record.governance import Override
    from safetycase.record.plan import Plan

    container = open_case(require_file(case))
    record = Case.model_validate_json(container.read(layout.RECORD_NAME))
    plan = Plan.model_validate_json(container.read(layout.PLAN_NAME))
    derived = record.results.decision.tier
    way = direction(plan, derived, tier)
    if way is None:
        expected = f"another of the plan's tiers than {derived}"
        raise UsageError("--tier", expected, found=tier)
    try:
        stated = Override(by=by, tier=tier, direction=way, reason=reason)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise UsageError(f"--{first['loc'][0]}", "an override", found=first["msg"]) from None
    changed = record.model_copy(update={"override": stated})
    kept = {n: container.read(n) for n in container.names if layout.is_bound(n)}
    write_case(case, kept | {layout.RECORD_NAME: canonical.write(changed.spelled())})
    console.say(f"derived   {derived}")
    console.say(f"set       {tier}, {way}, by {by}")
    return ExitCode.VERIFIED
