//go:build tools

// Package kwok pins the kubelet's stand-in of the tests' control plane.
package kwok

import _ "sigs.k8s.io/kwok/cmd/kwok"
