"""The verifier: a pure function of bytes, policy and time; no weights, no network, no clock.

The package can be called: `safetycase.verify(source, policy, at)` is `api.verify`.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _Callable(ModuleType):
    """The one name `safetycase.verify` is both this package and the function."""

    def __call__(self, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401 — see the stub
        """Verify a case: `api.verify`, imported when it is first called."""
        from safetycase.verify.api import verify  # noqa: PLC0415 — importing this is cheap

        return verify(*arguments, **named)


sys.modules[__name__].__class__ = _Callable
