#!/usr/bin/env bash
# What a hospital without an internet connection receives: the image, its bill of materials, checksums; models beside it.
#   docker/pack.sh ENGINE IMAGE LOCK FOLDER [MODEL_FOLDER ...]      for example  docker/pack.sh podman fedhcc-site:cpu site-cpu out
# At the hospital:  sha256sum --check SHA256SUMS && gunzip --stdout image.tar.gz | docker load     (podman load: the same)
set -euo pipefail
[ $# -ge 4 ] || { echo "usage: $0 ENGINE IMAGE LOCK FOLDER [MODEL_FOLDER ...]" >&2; exit 2; }
engine=$1 image=$2 lock=$3 folder=$4
shift 4
here=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$folder"
case $(basename "$engine") in podman) form=(--format docker-archive) ;; *) form=() ;; esac
"$engine" save "${form[@]}" "$image" | gzip -n -6 >"$folder/image.tar.gz"
"$engine" image inspect "$image" --format '{{.Id}}' | sed 's/^\(sha256:\)\{0,1\}/sha256:/' >"$folder/image-id.txt"
"$engine" run --rm --network none --entrypoint dpkg-query "$image" --show >"$folder/debian-packages.txt"
"$here/.tools/containers/bin/cyclonedx-py" requirements "$here/requirements/$lock.txt" \
  --output-reproducible --of JSON --output-file "$folder/sbom.cdx.json"
for model in "$@"; do cp -r "$model" "$folder/models-$(basename "$model")"; done
(cd "$folder" && find . -type f ! -name SHA256SUMS -printf '%P\0' | sort -z | xargs -0 sha256sum >SHA256SUMS)
echo "packed into $folder: $(wc -l <"$folder/SHA256SUMS") files, $(du -sh "$folder" | cut -f1)"
