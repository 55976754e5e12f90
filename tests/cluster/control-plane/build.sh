#!/usr/bin/env bash
# Prints the paths of the tests' control plane's programs, one a line: those that KUBEBUILDER_ASSETS holds, the others built
# from Go modules in the versions that go.mod and kwok/go.mod pin. Needs Go for these; all of them take about ten minutes
# on two cores, once.
# Usage: build.sh [PROGRAM…]
set -euo pipefail
cd "$(dirname "$0")"
[ $# -gt 0 ] || set -- etcd kube-apiserver kubectl kube-controller-manager kube-scheduler kwok
version=$(awk '$1 == "k8s.io/kubernetes" { print $2 }' go.mod)
folder=${XDG_CACHE_HOME:-$HOME/.cache}/kcfg/control-plane/$version

# Kubernetes' own releases say their version in the same way; kube-apiserver does not start without one.
minor=${version#v1.} minor=${minor%%.*}
stamp="-X k8s.io/component-base/version.gitVersion=$version
  -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=$minor"

# build PROGRAM: one builder at a time; the program appears whole.
build() {
  local module=. package=k8s.io/kubernetes/cmd/$1 begin=$SECONDS made
  case $1 in
    etcd) package=go.etcd.io/etcd/server/v3 ;;
    kwok) module=kwok package=sigs.k8s.io/kwok/cmd/kwok ;;
  esac
  mkdir -p "$folder"
  exec 9>"$folder/.lock"
  ! command -v flock >/dev/null || flock 9
  [ ! -x "$folder/$1" ] || return 0
  made=$(mktemp "$folder/.$1.XXXXXX")
  (cd "$module" && CGO_ENABLED=0 go build -mod=readonly -trimpath -ldflags "-s -w $stamp" -o "$made" "$package") ||
    { rm -f "$made"; return 1; }
  chmod +x "$made"
  mv "$made" "$folder/$1"
  echo "built $1 in $((SECONDS - begin)) s" >&2
}

for program in "$@"; do
  if [ -x "${KUBEBUILDER_ASSETS:-/nowhere}/$program" ]; then
    echo "$KUBEBUILDER_ASSETS/$program"
  else
    [ -x "$folder/$program" ] || build "$program"
    echo "$folder/$program"
  fi
done
