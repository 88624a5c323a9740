#!/bin/sh
# WeasyPrint's system libraries, where they can be installed; $1 is the Python that has it.
# Without them every command still runs, and the report is HTML only.
set -u
loads() { "$1" -c 'import weasyprint' >/dev/null 2>&1; }
packages="libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-dejavu-core"

if ! loads "$1" && command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
  echo "Installing WeasyPrint's system libraries: $packages"
  export DEBIAN_FRONTEND=noninteractive
  # shellcheck disable=SC2086
  apt-get install -qq -y --no-install-recommends $packages >/dev/null 2>&1 ||
    { apt-get update -qq && apt-get install -qq -y --no-install-recommends $packages; } >/dev/null 2>&1
fi
loads "$1" || echo "No PDF without Pango. For the PDF, install $packages and run again."
