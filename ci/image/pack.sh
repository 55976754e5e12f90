#!/bin/sh
# Packs laid-out files (ci/image/root.sh) as an image: pack.sh FOLDER NAME. It is the last stage of Containerfile, so no base
# image and no daemon is needed, only buildah.
set -eu
folder=$1 name=$2
here=$(cd "$(dirname "$0")/../.." && pwd)
if ! command -v buildah >/dev/null; then
    echo "$folder holds the image's files; buildah, which would pack them, is not installed"
    exit 0
fi
sed -n '/^FROM scratch$/,$p' "$here/Containerfile" | sed 's|^COPY --from=build /image /$|COPY . /|' |
    buildah build --isolation chroot --format oci --timestamp 0 --tag "$name" --file /dev/stdin "$folder"
buildah images "$name"
