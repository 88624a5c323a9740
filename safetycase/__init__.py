"""safetycase: write, sign and verify safety cases for language models.

`verify(source, policy, at)` and `require(source, policy, at)` are for other programs; they are
loaded when first asked for. The root itself imports nothing, so that importing the verifier can
never load the runner.
"""

__version__ = "0.1.0a1"


def __getattr__(name: str) -> object:
    """`verify` and `require`, loaded when asked for."""
    from importlib import import_module  # noqa: PLC0415 — the root imports nothing

    if name == "verify":
        return import_module("safetycase.verify")
    if name == "require":
        return import_module("safetycase.verify.api").require
    raise AttributeError(f"module 'safetycase' has no attribute {name!r}")
