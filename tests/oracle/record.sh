#!/usr/bin/env bash
# Records what the real helm prints for the cases of fixtures/helm: all of them, or those named.
#
# A case is a folder with chart/, any values*.yaml (given by -f, in the order of their names) and, where the usual command
# does not do, a file `args` with the arguments of `helm template`, one a line. Its output goes to expected.yaml; where
# helm refuses, its message goes to expected-error.txt. The first line of either names helm's version and the command.
#
# Usage: record.sh [--check] [CASE…]    (--check writes nothing and fails if a recording is not what helm says)
set -euo pipefail
cd "$(dirname "$0")"
helm=$(./helm.sh)
check=
[ "${1:-}" = --check ] && { check=1; shift; }
version=$("$helm" version --template '{{.Version}}')
cd ../../fixtures/helm
[ $# -gt 0 ] || set -- *

# Nothing of this machine: no plugins, repositories, cluster or settings.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
unset "${!HELM_@}" KUBECONFIG
export TZ=UTC HOME=$scratch XDG_CACHE_HOME=$scratch XDG_CONFIG_HOME=$scratch XDG_DATA_HOME=$scratch

stale=0
for case; do
  case=${case%/}
  [ -d "$case/chart" ] || { echo "fixtures/helm/$case has no folder chart/" >&2; exit 2; }
  args=(rel chart --namespace ns1 --kube-version 1.33.0)
  [ ! -f "$case/args" ] || mapfile -t args < "$case/args"
  for values in "$case"/values*.yaml; do
    [ ! -f "$values" ] || args+=(-f "${values##*/}")
  done
  header="# recorded by helm $version: helm template ${args[*]}"
  if (cd "$case" && "$helm" template "${args[@]}") > "$scratch/out" 2> "$scratch/err"; then
    name=expected.yaml other=expected-error.txt text=$scratch/out
  else
    # A runaway recursion has a frame for each step: the ends of a line say enough.
    sed -E 's/^(.{1000}).*(.{1000})$/\1 … \2/' "$scratch/err" > "$scratch/out"
    name=expected-error.txt other=expected.yaml text=$scratch/out
  fi
  { echo "$header"; cat "$text"; } > "$scratch/recording"
  if [ -z "$check" ]; then
    rm -f "$case/$other"
    cp "$scratch/recording" "$case/$name"
  elif ! cmp -s "$scratch/recording" "$case/$name" || [ -e "$case/$other" ]; then
    echo "fixtures/helm/$case/$name is not what helm $version says" >&2
    stale=$((stale + 1))
  fi
done
[ "$stale" = 0 ] || { echo "$stale of $# recordings are stale: just oracle" >&2; exit 1; }
echo "$# cases, helm $version"
