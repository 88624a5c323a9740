"""A verdict as SARIF 2.1.0: a rule for every check, a result for every fault.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import quote

import msgspec

from safetycase import __version__, canonical
from safetycase.verify.check import STAGES, Check
from safetycase.verify.checks import all_checks
from safetycase.verify.outcome import CheckResult, Finding, Outcome, Verdict

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_LINE = re.compile(r" line (\d+)")
_KINDS = {
    Outcome.FAIL: ("fail", "error"),
    Outcome.ERROR: ("fail", "error"),
    Outcome.UNKNOWN: ("open", "none"),
}
"""SARIF kind and level of a finding; what is unknown is an open question, not a fault."""


def spell_sarif(verdicts: Sequence[tuple[str, Verdict]]) -> bytes:
    """One run over these files: what failed, and what the policy requires and is unknown.

    A result's place is the file, as artifact, and inside it the JSON pointer or table row, as
    logical location. Outcomes that are neither make no result.
    """
    checks = list(all_checks().values())
    places = {check.id: number for number, check in enumerate(checks)}
    run = {
        "tool": {
            "driver": {
                "name": "safetycase",
                "semanticVersion": _semantic(__version__),
                "version": __version__,
                "rules": [_rule(check) for check in checks],
            }
        },
        "artifacts": [_artifact(file, verdict) for file, verdict in verdicts],
        "columnKind": "unicodeCodePoints",
        "results": [
            result
            for number, (file, verdict) in enumerate(verdicts)
            for result in _results(file, number, verdict, places)
        ],
    }
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return msgspec.json.format(canonical.write(log), indent=2) + b"\n"


def _semantic(version: str) -> str:
    """0.1.0a1 as SemVer spells it: 0.1.0-a1."""
    return re.sub(r"^(\d+\.\d+\.\d+)([a-z])", r"\1-\2", version)


def _rule(check: Check) -> Mapping[str, object]:
    proves, cannot = f"Proves: {check.proves}", f"Cannot prove: {check.cannot_prove}"
    see = f"See: {'; '.join(check.references)}."
    return {
        "id": check.id,
        "shortDescription": {"text": check.title},
        "fullDescription": {"text": check.proves},
        "help": {
            "text": f"{proves}\n{cannot}\n{see}",
            "markdown": f"**{proves[:7]}** {check.proves}\n\n**{cannot[:13]}** "
            f"{check.cannot_prove}\n\n{see}",
        },
        "defaultConfiguration": {"level": "error"},
        "properties": {
            "tags": [f"stage-{check.stage}", f"tier-{check.tier}"],
            "stage": STAGES[check.stage],
            "tier": check.tier,
        },
    }


def _artifact(file: str, verdict: Verdict) -> Mapping[str, object]:
    made: dict[str, object] = {"location": {"uri": quote(file)}}
    if verdict.archive_sha256 is not None:
        made["hashes"] = {"sha-256": verdict.archive_sha256}
    return made


def _results(
    file: str, artifact: int, verdict: Verdict, places: Mapping[str, int]
) -> Iterator[Mapping[str, object]]:
    for result in verdict.results:
        for finding in result.findings:
            if _is_told(result, finding):
                yield _result(file, artifact, finding, places[result.check])


def _is_told(result: CheckResult, finding: Finding) -> bool:
    unknown = finding.outcome is Outcome.UNKNOWN
    return finding.outcome in _KINDS and (not unknown or (result.required and result.asked))


def _result(file: str, artifact: int, finding: Finding, rule: int) -> Mapping[str, object]:
    kind, level = _KINDS[finding.outcome]
    logical = {"fullyQualifiedName": finding.where, "kind": _kind_of(finding.where)}
    line = _LINE.search(finding.where)
    place = {
        "physicalLocation": {
            "artifactLocation": {"uri": quote(file), "index": artifact},
            "region": {"startLine": 1},
        },
        "logicalLocations": [logical],
    }
    told = finding.sentence or finding.where
    more = f" {finding.where}: expected {finding.expected}, found {finding.found}."
    properties: dict[str, object] = {"expected": finding.expected, "found": finding.found}
    properties |= {"axis": finding.axis} if finding.axis else {}
    properties |= {"row": int(line[1])} if line else {}
    return {
        "ruleId": finding.check,
        "ruleIndex": rule,
        "kind": kind,
        "level": level,
        "message": {"text": told if finding.where in told else told + more},
        "locations": [place],
        "properties": properties,
    }


def _kind_of(where: str) -> str:
    """What a place is: a JSON pointer into a document, a row of a table, or a member."""
    if "#/" in where:
        return "object"
    return "element" if " line " in where or ": " in where else "resource"
