#!/bin/sh
# Lays out the files of the image: root.sh PROGRAM FOLDER. A static kcfg, the certificate authorities of this machine
# (for Git servers; the cluster's own come with the service account), the licence.
set -eu
program=$1 folder=$2
here=$(cd "$(dirname "$0")/../.." && pwd)
rm -rf "$folder"
mkdir -p "$folder/etc/ssl/certs"
install -m 0755 "$program" "$folder/kcfg"
install -m 0644 /etc/ssl/certs/ca-certificates.crt "$folder/etc/ssl/certs/ca-certificates.crt"
install -m 0644 "$here/LICENSE" "$folder/LICENSE"
