"""Places by the names that TransformerLens gives its hook points, as other tools write them.

Source: TransformerLens 3.9, its components; circuit-tracer 0.4.1 for those of the MLP itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from safetycase.errors import RunFailed
from safetycase.methods.sites import Place
from safetycase.record.sites import Architecture, Site

SITES: Mapping[str, Site] = {
    "hook_resid_pre": "resid_pre",
    "hook_resid_mid": "resid_mid",
    "hook_resid_post": "resid_post",
    "attn.hook_z": "attn_heads",
    "hook_attn_out": "attn_out",
    "ln2.hook_normalized": "mlp_in_ungained",
    "mlp.hook_in": "mlp_in",
    "hook_mlp_out": "mlp_out",
}
"""Hook points whose meaning does not depend on how a model was loaded."""

_OF_THE_MLP = "mlp.hook_out"
_SANDWICHED: frozenset[Architecture] = frozenset({"gemma2", "gemma3"})
_HOOK = re.compile(r"blocks\.(\d+)\.(.+)")


def site_of(hook: str, architecture: Architecture | None, *, where: str) -> Site:
    """The site of a hook point inside a block; one of two meanings is refused.

    `hook_mlp_in` is the stream before the norm, or what the MLP reads, by tool and setting.
    `mlp.hook_out` is what is added to the stream only where no norm follows the MLP.
    """
    if hook == _OF_THE_MLP and architecture is not None and architecture not in _SANDWICHED:
        return "mlp_out"
    if hook not in SITES:
        raise RunFailed(where, f"a hook of {', '.join(SITES)}", found=hook)
    return SITES[hook]


def place_of(name: str, architecture: Architecture | None, *, where: str) -> Place:
    """The place of a hook point `blocks.N.…`."""
    parts = _HOOK.fullmatch(name)
    if parts is None:
        raise RunFailed(where, "blocks.N. and a hook", found=name)
    return Place(int(parts.group(1)), site_of(parts.group(2), architecture, where=where))
