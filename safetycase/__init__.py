"""safetycase: write, sign and verify safety cases for language models.

The root imports nothing, so that importing the verifier can never load the runner.
"""

__version__ = "0.1.0a1"
