from safetycase.verify.api import require as require
from safetycase.verify.api import verify as verify

__version__: str
