#!/usr/bin/env bash
# Prints the path of the real helm, in the version that go.mod pins; builds it first if it is not there (needs Go, about
# two minutes on two cores). The version and the default Kubernetes version are stamped in as Helm's own releases have them.
set -euo pipefail
cd "$(dirname "$0")"
version=$(awk '$1 == "helm.sh/helm/v3" { print $2 }' go.mod)
kubernetes_minor=$(awk '$1 == "k8s.io/client-go" { split($2, part, "."); print part[2] }' go.mod)
folder=${XDG_CACHE_HOME:-$HOME/.cache}/kcfg-oracle/helm-$version
if [ ! -x "$folder/helm" ]; then
  mkdir -p "$folder"
  build=$(mktemp "$folder/helm.XXXXXX")
  trap 'rm -f "$build"' EXIT
  CGO_ENABLED=0 go build -mod=readonly -trimpath -o "$build" -ldflags "-s -w \
    -X helm.sh/helm/v3/internal/version.version=$version \
    -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1 \
    -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=$kubernetes_minor" helm.sh/helm/v3/cmd/helm
  chmod +x "$build"
  mv "$build" "$folder/helm"
fi
echo "$folder/helm"
