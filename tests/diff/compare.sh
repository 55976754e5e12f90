#!/usr/bin/env bash
# kcfg diff, dyff, git diff and kubectl diff on fixtures/diff/pairs: what each shows, in how many lines and how fast, as the
# table of docs/diff-comparison.md. Needs Go (for dyff, once), and for kubectl diff the control plane that the tests build
# (tests/cluster); without it that column stays empty. `just compare-diff`.
#
# Each pair's file `facts` says what a reader has to be told, as patterns (Python's) that know no tool:
#   info PATTERN    has to be there: what changed, where, from what to what
#   cause PATTERN   names what is behind it, or what follows: one thing moved, another meaning, pods restart, data go
#   never PATTERN   is noise (it did not change) or must not show (a secret)
#   lines N         more than N lines for this are too many
set -euo pipefail
cd "$(dirname "$0")/../.."
cache=${XDG_CACHE_HOME:-$HOME/.cache}/kcfg-dyff
kcfg=${KCFG:-target/release/kcfg}
dyff=${DYFF:-$cache/dyff}
[ -x "$dyff" ] || GOBIN=$cache go install github.com/homeport/dyff/cmd/dyff@v1.12.0
bin=${KUBEBUILDER_ASSETS:-${XDG_CACHE_HOME:-$HOME/.cache}/kcfg-cluster/v1.36.3}
work=$(mktemp -d)
stop() { for pid in "$work"/*.pid; do [ -f "$pid" ] && kill -9 "$(cat "$pid")" 2>/dev/null; done; rm -rf "$work"; }
trap stop EXIT
if [ -x "$bin/kube-apiserver" ]; then
  . tests/diff/cluster.sh
  start_cluster "$bin" "$work"
fi
KCFG=$(realpath "$kcfg") DYFF=$dyff KUBECTL="${KUBECONFIG:+$bin/kubectl}" python3 tests/diff/compare.py > docs/diff-comparison.md
tail -n 4 docs/diff-comparison.md
