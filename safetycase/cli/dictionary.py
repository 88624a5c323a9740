"""`safetycase dictionary check`: whether a dictionary does on this model what it says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from safetycase.cli import console
from safetycase.cli.exit_code import ExitCode
from safetycase.cli.inputs import require_file
from safetycase.cli.run import Device, require_runner
from safetycase.record.equations import Equation
from safetycase.record.sites import Site

if TYPE_CHECKING:
    from collections.abc import Iterator

    from safetycase.methods.instruments import InstrumentTest
    from safetycase.run.dictionary_check import Spread
    from safetycase.run.selftest import Fit


def check(
    path: Annotated[
        str,
        typer.Argument(metavar="PATH", help="Folder, or hf://OWNER/NAME@REVISION/FOLDER."),
    ],
    model: Annotated[
        str, typer.Option(help="The model: a folder, hf:// or pypi: as in plans.")
    ],
    model_format: Annotated[
        Literal["transformers", "gguf"], typer.Option("--format", help="Of the model's files.")
    ] = "transformers",
    name: Annotated[
        str | None, typer.Option(help="The model's public name.  [default: that of --model]")
    ] = None,
    dtype: Annotated[
        Literal["float32", "bfloat16"], typer.Option(help="Number format.")
    ] = "float32",
    device: Device = "cpu",
    texts: Annotated[
        Path | None,
        typer.Option(help="Texts, one a line, or items as JSONL.  [default: plain English]"),
    ] = None,
    context: Annotated[
        int | None,
        typer.Option(
            min=2,
            help="Cut texts into sequences of so many tokens, BOS included; a file that is no "
            "JSONL is then one text.  [default: texts as they are]",
        ),
    ] = None,
    equation: Annotated[
        Equation | None, typer.Option(help="Its equations, where its files do not say.")
    ] = None,
    site: Annotated[Site | None, typer.Option(help="Where it reads, likewise.")] = None,
    layer: Annotated[int | None, typer.Option(help="Block it reads in, likewise.")] = None,
    l0: Annotated[float | None, typer.Option(help="Its declared L0, likewise.")] = None,
    made_for: Annotated[
        str | None, typer.Option(help="Name of the model it was made for, likewise.")
    ] = None,
    cache: Annotated[Path, typer.Option(help="Folder for a converted GGUF model.")] = Path(
        "out/cache"
    ),
) -> int:
    """Test a dictionary on a model: hooks, splice, L0, explained variance, stored examples.

    L0 and explained variance are those of your texts, all of them: what a dictionary's makers
    state comes out on texts like theirs, cut as theirs were (--context).

    Exit code 0 if every test is passed, 1 if one is not; 2 if the dictionary cannot be one of
    this model.
    """
    require_runner("safetycase dictionary check")
    from safetycase.run.dictionaries.specification import Stated
    from safetycase.run.dictionary_check import (
        NAME,
        NamedModel,
        check_dictionary,
        load_subjects,
        read_prompts,
    )

    stated = Stated(path, equation, site, layer, l0=l0, made_for=made_for)
    named = NamedModel(model, model_format, name or model)
    subjects = load_subjects(path, stated, named, dtype, cache, device=device)
    known = subjects.specification
    console.say(f"dictionary  {known.equation} at {known.reads}, {known.width} features")
    console.say(f"digest      {subjects.digest}")
    prompts = read_prompts(subjects, _texts(texts, whole=context is not None), context=context)
    passed = True
    fits: dict[str, Fit] = {}
    for test, value in check_dictionary(
        subjects, prompts, dtype=dtype, smaller=_say_smaller, fits=fits
    ):
        passed = passed and test.keeps(value)
        console.say(_line(test, value))
    for line in _fit_lines(fits[NAME], known.declared_l0):
        console.say(line)
    return ExitCode.VERIFIED if passed else ExitCode.NOT_VERIFIED


def _say_smaller(size: int) -> None:
    console.remark(f"memory ran out: at most {size} texts share a batch from here on")


def _line(test: InstrumentTest, value: float) -> str:
    low = "" if test.at_least is None else f"at least {test.at_least:g}"
    high = "" if test.at_most is None else f"at most {test.at_most:g}"
    bounds = ", ".join(part for part in (low, high) if part)
    mark = "PASS" if test.keeps(value) else "FAIL"
    return f"{mark}  {test.id:<20} {value:<12g} {bounds:<28} {test.question}"


def _fit_lines(fit: Fit, declared: float) -> Iterator[str]:
    """The dictionary's fit as its makers state theirs, with what it was measured on."""
    from safetycase.run.dictionary_check import explained_spread, l0_spread

    l0, explained = l0_spread(fit), explained_spread(fit)
    tokens = sum(text.tokens for text in fit.texts)
    yield f"read        {tokens} tokens of {len(fit.texts)} sequences, the first of each apart"
    yield f"L0          {l0.value:.2f}{_error(l0, 2)}; declared: {declared:g}"
    yield f"explained   {explained.value:.4f}{_error(explained, 4)} of the variance, 1 - FVU"


def _error(spread: Spread, digits: int) -> str:
    return "" if spread.error is None else f" (standard error {spread.error:.{digits}f})"


def _texts(path: Path | None, *, whole: bool) -> list[str]:
    from safetycase.run.texts import PLAIN, read_texts

    return list(PLAIN) if path is None else read_texts(require_file(path), whole=whole)
