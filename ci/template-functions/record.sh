#!/bin/bash
# Records the functions that `kcfg template` runs, which build.rs puts beside each other:
#   record.sh PROGRAM CHART... > ci/template-functions/names.txt
# Needs valgrind. Names are written up to their hash, which differs from build to build. Names that stand for more than
# BYTES_MAX of code (sorting, instances for every type) are left out: most of that code belongs to other verbs.
set -euo pipefail
BYTES_MAX=60000
program=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for chart in "$@"; do
    valgrind --quiet --tool=callgrind --demangle=no --callgrind-out-file="$work/run.$RANDOM$RANDOM" \
        "$program" template rel "$chart" >"$work/output" || echo "$chart does not render, which is a run, too" >&2
done
cut='s/(17h)[0-9a-f]{16}E.*/\1/'
sed -nE 's/^c?fn=\([0-9]+\) (_ZN[^ ]*17h)[0-9a-f]{16}E.*/\1/p' "$work"/run.* | sort -u >"$work/run"
nm -S "$program" | sed -E "$cut" | while read -r _ size type name; do
    [[ $type == [tTwW] && $name == _ZN* ]] && echo "$name $((16#$size))"
done | awk '{ bytes[$1] += $2 } END { for (name in bytes) print name, bytes[name] }' | sort >"$work/sizes"
join "$work/run" "$work/sizes" | awk -v max="$BYTES_MAX" '$2 < max { print $1 }'
