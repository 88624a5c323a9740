"""All checks, one file a family; ids are never reused."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from safetycase.verify.check import Check, Family
from safetycase.verify.checks import (
    beside,
    claims,
    container,
    controls,
    design,
    encoding,
    evidence,
    features,
    forensics,
    governance,
    graders,
    integrity,
    intervention,
    ordering,
    provenance,
    redaction,
    reexecution,
    rendering,
    schema,
    signature,
    statistics,
    traces,
)

_IN_ORDER = (
    container, encoding, integrity, signature, schema, redaction, provenance, ordering,
    reexecution, governance, design, evidence, graders, statistics, controls, beside,
    forensics, features, intervention, traces, claims, rendering,
)  # fmt: skip

FAMILIES: tuple[Family, ...] = tuple(module.FAMILY for module in _IN_ORDER)


_ALL = MappingProxyType({n: check for family in FAMILIES for n, check in family.checks.items()})


def all_checks() -> Mapping[str, Check]:
    """Every check by its id, family by family."""
    return _ALL
