//go:build tools

// Package oracle pins the helm that the recordings are made with.
package oracle

import _ "helm.sh/helm/v3/cmd/helm"
