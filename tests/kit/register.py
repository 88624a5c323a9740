"""The register of attacks: what each does, why it matters, and which checks must refuse it.

A function decorated with `attack` is one attack. The first paragraph of its docstring is the
attack; the second is what would follow if it were accepted. It takes an honest case and gives
an altered one, with a stale statement unless it seals the case itself.

Three characters:

* *outsider*: holds no key. The bytes are verified as the function leaves them.
* *insider*: holds the right key. The case is sealed again after the change; exactly the
  declared checks may fail. The same change under the honest statement is the outsider's
  variant, and must be refused by exactly the checks of `as_outsider`.
* *forger*: recomputes everything and signs. Not refused: held at its tier.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Literal

from safetycase.verify.checks import all_checks
from safetycase.verify.policy import Policy
from tests.kit.builder import AT, KitCase, honest_case, policy

Character = Literal["outsider", "insider", "forger"]
Alters = Callable[[KitCase], KitCase | bytes]
Escrow = Callable[[KitCase], bytes]

CHARACTERS: tuple[Character, ...] = ("outsider", "insider", "forger")

ATTACKS: dict[str, Attack] = {}
"""Every attack by name, as registered so far; `register_all` for all of them."""


@dataclass(frozen=True)
class Attack:
    """One attack, and what a verification of its result must say."""

    name: str
    family: str
    character: Character
    what: str
    """The attack, in a sentence or two."""
    effect: str
    """What would follow if it were accepted."""
    refused_by: frozenset[str]
    """Ids of exactly the checks that fail; none for a forger, and for what has no effect."""
    unknown: frozenset[str]
    """Ids of exactly the checks that turn UNKNOWN beyond those of an honest case."""
    as_outsider: frozenset[str] | None
    """Ids of exactly the checks that fail when the change is not signed again; none where the
    change lies in no signed file."""
    alters: Alters = field(repr=False)
    base: Callable[[], KitCase] = field(repr=False)
    policy: Callable[[], Policy] = field(repr=False)
    at: str
    seals_itself: bool
    """Whether the function makes its own statement, so that nothing is signed after it."""
    escrow: Escrow | None
    """Makes what the case is opened with, if it is; an attack may lie in it alone."""

    @property
    def harmless(self) -> bool:
        """Whether the attack is let through because nothing is read from what it adds."""
        return self.character != "forger" and not (self.refused_by or self.unknown)

    @property
    def undecided(self) -> bool:
        """Whether no check fails, but one that the policy requires has no answer: exit 3."""
        return not self.refused_by and bool(self.unknown)


def attack(
    family: str,
    character: Character,
    *,
    refused_by: Collection[str] = (),
    unknown: Collection[str] = (),
    as_outsider: Collection[str] | None = ("INT-001",),
    base: Callable[[], KitCase] = honest_case,
    under: Callable[[], Policy] = policy,
    at: str = AT,
    seals_itself: bool = False,
    escrow: Escrow | None = None,
) -> Callable[[Alters], Alters]:
    """Register a function as an attack on `base`, judged under a policy at a time."""

    def register(function: Alters) -> Alters:
        what, effect = _texts(function)
        name = function.__name__.strip("_").replace("_", "-")
        _add(
            Attack(
                name=name,
                family=family,
                character=character,
                what=what,
                effect=effect,
                refused_by=frozenset(refused_by),
                unknown=frozenset(unknown),
                as_outsider=None if as_outsider is None else frozenset(as_outsider),
                alters=function,
                base=base,
                policy=under,
                at=at,
                seals_itself=seals_itself,
                escrow=escrow,
            )
        )
        return function

    return register


def _texts(function: Alters) -> tuple[str, str]:
    paragraphs = inspect.cleandoc(function.__doc__ or "").split("\n\n")
    if len(paragraphs) != 2:
        raise ValueError(f"{function.__name__}: the attack, a blank line, and its effect")
    what, effect = (" ".join(paragraph.split()) for paragraph in paragraphs)
    return what, effect


def _add(new: Attack) -> None:
    if new.name in ATTACKS:
        raise ValueError(f"two attacks are named {new.name}")
    unknown = (new.refused_by | new.unknown | (new.as_outsider or frozenset())) - set(
        all_checks()
    )
    if unknown:
        raise ValueError(f"{new.name}: no checks {sorted(unknown)}")
    if new.character == "forger" and (new.refused_by or new.unknown):
        raise ValueError(f"{new.name}: a forger is not refused")
    ATTACKS[new.name] = new


CLAIMS = frozenset(
    {"CLM-001", "CLM-002", "CLM-003", "CLM-004", "CLM-005", "CLM-007", "STA-007"}
)
"""Checks that need every claim of the plan to be derived."""

HELD_OUT = CLAIMS | {
    "BES-001", "BES-002", "FOR-006", "IVN-005", "STA-001", "STA-002", "STA-004", "STA-005",
    "STA-006",
}  # fmt: skip
"""Checks that need every held-out answer of an axis to be there, once, in its place."""

ARMS = frozenset(
    {"FOR-001", "FOR-004", "IVN-001", "IVN-003", "IVN-004", "IVN-005", "IVN-006", "IVN-007"}
) | {"BES-002", "IVN-008"}
"""Checks that need to know which features and doses the plan's rules pick."""

SELECTION = CLAIMS | ARMS | {"FEA-001", "FEA-002", "FEA-003", "FEA-005", "FEA-006"}
"""Checks that need the search for features to be repeatable."""


def needing(*needs: str) -> frozenset[str]:
    """Ids of the checks that cannot be asked where one of these parts is unreadable."""
    return frozenset(name for name, c in all_checks().items() if set(needs) & set(c.needs))


def after_stage(stage: int) -> frozenset[str]:
    """Ids of the checks that are not asked once an early stage has failed."""
    return frozenset(name for name, check in all_checks().items() if check.stage > stage)


def register_all() -> dict[str, Attack]:
    """All attacks by name, family by family, after every family has been imported."""
    from tests.kit import attacks  # noqa: PLC0415 — the families import this module

    families = [module.__name__.rpartition(".")[2] for module in attacks.FAMILIES]
    ordered = sorted(ATTACKS.values(), key=lambda each: families.index(each.family))
    return {each.name: each for each in ordered}
