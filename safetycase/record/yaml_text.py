"""Documents that people write, plans and policies: YAML read strictly, as JSON values."""

from __future__ import annotations

import re
import typing
from typing import cast

import yaml
from typing_extensions import override

from safetycase import canonical
from safetycase.canonical import JsonValue
from safetycase.errors import MalformedInput


class _Loader(yaml.SafeLoader):
    """The JSON subset of YAML 1.2: no dates, no `yes`, no duplicate keys, no tags."""

    yaml_implicit_resolvers = {}  # noqa: RUF012  # the base class declares it

    @override
    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]  # PyYAML has no types here
        if getattr(event, "tag", None) is not None:
            place = f"line {event.start_mark.line + 1}"
            raise MalformedInput(place, "plain values", found=f"the tag {event.tag}")
        return super().compose_node(parent, index)

    @override
    def construct_mapping(
        self, node: yaml.MappingNode, deep: bool = False
    ) -> dict[typing.Hashable, typing.Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            place = f"line {key.start_mark.line + 1}"
            if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
                raise MalformedInput(place, "keys that are text", found=str(key.value))
            if key.value in seen:
                raise MalformedInput(place, "every key once", found=f"{key.value} twice")
            seen.add(key.value)
        return super().construct_mapping(node, deep)


for _tag, _pattern, _first in (
    ("bool", r"true|false", "tf"),
    ("null", r"null|~|", ["n", "~", ""]),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)", "-+0123456789"),
    ("float", r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("float", r"[-+]?[0-9]+[eE][-+]?[0-9]+", "-+0123456789"),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern})$"), list(_first)
    )


def read_yaml(text: str, *, where: str) -> dict[str, JsonValue]:
    """The mapping that a YAML document spells; anything JSON cannot hold is refused.

    Words are text unless they are `true`, `false`, `null` or a number: `no` and dates are text.
    """
    try:
        value = _Loader(text).get_single_data()
    except RecursionError:
        raise MalformedInput(where, "shallow nesting", found="deep nesting") from None
    except yaml.YAMLError as error:
        raise MalformedInput(where, "a YAML document", found=_on_one_line(error)) from None
    except MalformedInput as error:
        place = f"{where} {error.where}"
        raise MalformedInput(place, error.expected, found=error.found) from None
    if not isinstance(value, dict):
        raise MalformedInput(where, "a mapping", found=type(value).__name__)
    canonical.write(value, where=where)
    return cast("dict[str, JsonValue]", value)


def _on_one_line(error: yaml.YAMLError) -> str:
    return " ".join(str(error).split())
