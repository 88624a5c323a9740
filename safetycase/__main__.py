"""`python -m safetycase`."""

from __future__ import annotations

import sys

from safetycase.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
