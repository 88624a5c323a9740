"""The commands in one program, and the one place where a failure becomes an exit code."""

from __future__ import annotations

import os
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer

from safetycase import __version__
from safetycase.cli import console, exit_code
from safetycase.cli.attach import attach
from safetycase.cli.axes import fetch as fetch_axis
from safetycase.cli.axes import listed as list_axes
from safetycase.cli.axes import show as show_axis
from safetycase.cli.checks import checks
from safetycase.cli.demo import demo
from safetycase.cli.dictionary import check as check_dictionary
from safetycase.cli.exit_code import ExitCode
from safetycase.cli.explain import explain
from safetycase.cli.gate import gate
from safetycase.cli.keygen import keygen
from safetycase.cli.opened import open_places
from safetycase.cli.override import override
from safetycase.cli.plan import freeze, lint, receipt
from safetycase.cli.policy import lint as lint_policy
from safetycase.cli.redact import redact
from safetycase.cli.replay import replay
from safetycase.cli.report import report
from safetycase.cli.run import run
from safetycase.cli.schemas import schemas
from safetycase.cli.sign import sign
from safetycase.cli.status import status
from safetycase.cli.summary import verify as verify_summary
from safetycase.cli.verify import verify
from safetycase.errors import NotVerified, SafetyCaseError

PROGRAM = "safetycase"

app = typer.Typer(
    name=PROGRAM,
    invoke_without_command=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=f"\b\nExit codes:\n{exit_code.table()}",
)
plan = typer.Typer(rich_markup_mode=None, help="What a plan can show, before measuring.")
plan.command("lint")(lint)
plan.command("freeze")(freeze)
plan.command("receipt")(receipt)
axes = typer.Typer(rich_markup_mode=None, help="Ready axes, without their items.")
axes.command("list")(list_axes)
axes.command("show")(show_axis)
axes.command("fetch")(fetch_axis)
dictionary = typer.Typer(rich_markup_mode=None, help="What features are read from.")
dictionary.command("check")(check_dictionary)
policy = typer.Typer(rich_markup_mode=None, help="What a verifier asks for.")
policy.command("lint")(lint_policy)
summary = typer.Typer(rich_markup_mode=None, help="What another verifier says, signed.")
summary.command("verify")(verify_summary)

app.command("demo")(demo)
app.add_typer(plan, name="plan")
app.add_typer(policy, name="policy")
app.command("run")(run)
app.command("status")(status)
app.add_typer(axes, name="axes")
app.add_typer(dictionary, name="dictionary")
app.command("keygen")(keygen)
app.command("override")(override)
app.command("redact")(redact)
app.command("sign")(sign)
app.command("verify")(verify)
app.command("open")(open_places)
app.command("gate")(gate)
app.add_typer(summary, name="summary")
app.command("replay")(replay)
app.command("attach")(attach)
app.command("report")(report)
app.command("explain")(explain)
app.command("checks")(checks)
app.command("schemas")(schemas)


@app.callback()
def about(
    context: typer.Context,
    *,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> int:
    """Write, sign and verify safety cases for language models.

    A case is one file. Whoever has it can derive its figures again: `verify` needs no weights,
    no GPU and no network.
    """
    if version:
        console.say(f"{PROGRAM} {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        console.say(context.get_help())
    return ExitCode.USAGE


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code; nothing is raised, whatever happens."""
    console.prepare_streams()
    try:
        result = app(args=arguments, prog_name=PROGRAM, standalone_mode=False)
    except NotVerified as error:
        console.refuse(error)
        return ExitCode.NOT_VERIFIED
    except SafetyCaseError as error:
        _trace()
        console.refuse(error)
        return ExitCode.USAGE
    except typer.TyperException as error:
        console.remark(f"error: {error.format_message() or 'no command'}")
        console.remark(f"Run `{PROGRAM} --help`, or the same after a command.")
        return ExitCode.USAGE
    except Exception as error:  # noqa: BLE001  # whatever it is, it is ours: exit 4, one line
        _trace()
        told = " ".join(f"{type(error).__name__}: {error}".split())
        console.remark(f"error: {PROGRAM} failed: {told}. This is a fault of the program.")
        console.remark(f"Set {console.DEBUG}=1 to see where.")
        return ExitCode.FAILED
    return int(result or 0)


def _trace() -> None:
    if os.environ.get(console.DEBUG):
        console.remark(traceback.format_exc())
