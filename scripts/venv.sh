#!/bin/sh
# A virtual environment at $1, made by the first Python on the path that is new enough.
set -eu
target=$1
for python in python3 python3.14 python3.13 python3.12 python3.11; do
  if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    "$python" -m venv "$target" && exit 0
    echo "error: $python cannot make a virtual environment." >&2
    echo "On Debian and Ubuntu run: apt-get install python3-venv" >&2
    exit 2
  fi
done
echo "error: Python 3.11 or newer is needed and was not found on the path." >&2
exit 2
