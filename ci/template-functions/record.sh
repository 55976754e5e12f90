#!/bin/bash
# Records the functions that `kcfg template` runs, which build.rs puts beside each other:
#   record.sh PROGRAM 'CHART [FLAGS]'... > ci/template-functions/names.txt
# Needs valgrind, and the program as `cargo build --release` makes it. Left out is what few runs need; what most need comes
# first. A line is one of
#   libc.a:MEMBER   all functions of a member of the C library;
#   NAME            functions by their name, up to its hash, of however many types they are made;
#   NAME and hash   one of several whose name stands for more than BYTES_MAX of code (sorting, growing a vector). The hash
#                   changes with the dependencies: it is then found nowhere, which costs a little speed, until this runs again.
set -euo pipefail
SHARE_MIN=20 # of a hundred runs
BYTES_MAX=8000
program=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for chart in "$@"; do
    # shellcheck disable=SC2086 # flags are words
    valgrind --quiet --tool=callgrind --demangle=no --callgrind-out-file="$work/run" \
        "$program" template rel $chart >/dev/null 2>&1 || echo "$chart does not render, which is a run, too" >&2
    # A function that calls itself is counted by levels, NAME'2; one that was made visible to other units is NAME.llvm.123.
    sed -nE "s/^c?fn=\([0-9]+\) ([^' ]+).*/\1/p" "$work/run" | sed 's/\.llvm\..*//' | sort -u >>"$work/runs"
done
nm -S --radix=d "$program" | awk '$3 ~ /[tTwWi]/ && NF == 4 { print $4, $2 }' >"$work/sizes"
nm -A "$(cc -print-file-name=libc.a)" 2>/dev/null | sed -nE 's/.*libc\.a:([^:]+):[0-9a-f ]+ ([tTWi]) (.+)/\3 \1 \2/p' >"$work/libc"
awk -v runs=$# -v share="$SHARE_MIN" -v max="$BYTES_MAX" '
    function stem(name) { sub(/17h[0-9a-f]+E.*/, "17h", name); return name }
    function put(line, runs) { if (runs > best[line]) best[line] = runs }
    FILENAME ~ /sizes$/ { bytes[stem($1)] += $2; copies[stem($1)]++; next }
    # What other members see has precedence over what is for one member alone.
    FILENAME ~ /libc$/ { members[$2]; if (!($1 in member) || $3 != "t") member[$1] = $2; next }
    { count[$1]++ }
    END {
        for (name in count) {
            if (count[name] * 100 < share * runs) continue
            if (name ~ /^_R/) put(name, count[name])
            else if (name ~ /^_ZN/) put(bytes[stem(name)] <= max || copies[stem(name)] == 1 ? stem(name) : name, count[name])
            else if (name in member) {
                put("libc.a:" member[name], count[name])
                # valgrind knows no newer instructions than AVX2, processors do.
                kind = member[name]
                if (sub(/-avx.*/, "", kind))
                    for (other in members)
                        if (index(other, kind "-evex") == 1 || index(other, kind "-avx512") == 1) put("libc.a:" other, count[name])
            }
        }
        for (line in best) print best[line], line
    }' "$work/sizes" "$work/libc" "$work/runs" | sort -k1,1nr -k2,2 | cut -d' ' -f2
