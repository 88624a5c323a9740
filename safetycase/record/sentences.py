"""The sentence that stands under every field of a model, for schemas, reports and glossaries.

Read from the source when somebody asks. Pydantic would read it while the models are made, which
costs every verification a tenth of a second and serves none.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Mapping
from functools import cache
from itertools import pairwise
from textwrap import dedent

from pydantic import BaseModel


@cache
def sentences(model: type[BaseModel]) -> Mapping[str, str]:
    """What a model's fields hold, by name: the text under each, inherited ones included."""
    said: dict[str, str] = {}
    for part in reversed(model.__mro__):
        if issubclass(part, BaseModel) and part is not BaseModel:
            said |= _own(part)
    return {name: said[name] for name in model.model_fields if name in said}


def _own(model: type[BaseModel]) -> dict[str, str]:
    (definition,) = ast.parse(dedent(inspect.getsource(model))).body
    said: dict[str, str] = {}
    if isinstance(definition, ast.ClassDef):
        for field, text in pairwise(definition.body):
            match field, text:
                case (
                    ast.AnnAssign(target=ast.Name(id=name)),
                    ast.Expr(value=ast.Constant(value=str(sentence))),
                ):
                    said[name] = inspect.cleandoc(sentence)
                case _:
                    pass
    return said
