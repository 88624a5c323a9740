#!/bin/sh
# Fuzzes every target for so many seconds (60); corpora stay in .fuzz, crashes too.
# usage: fuzz.sh PYTHON [SECONDS]
set -eu
python=$1
seconds=${2:-60}
targets=$("$python" -m tests.fuzz)
IFS='
'
for target in $targets; do
  mkdir -p ".fuzz/$target"
  "$python" -m tests.fuzz "$target" -max_total_time="$seconds" -max_len=8192 \
    -artifact_prefix=".fuzz/$target-" >".fuzz/$target.log" 2>&1 ||
    { tail -40 ".fuzz/$target.log"; echo "$target: a finding"; exit 1; }
  echo "$target: $(grep -o 'Done [0-9]* runs in [0-9]* second(s)' ".fuzz/$target.log")"
done
