#!/bin/sh
# Makes the Docker plugin `volplane` from the agent's image (deploy/docker/Dockerfile): build-plugin.sh [IMAGE] [PLUGIN]
# Run it on every node (or push the plugin), then: docker plugin enable PLUGIN
set -eu
image=${1:-volplane-agent:0.1.0}
plugin=${2:-volplane}
folder=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/rootfs"
container=$(docker create "$image")
docker export "$container" | tar -x -C "$work/rootfs"
docker rm "$container" >/dev/null
mkdir -p "$work/rootfs/data/published" "$work/rootfs/data/staged" "$work/rootfs/var/lib/volplane"
cp "$folder/config.json" "$work/config.json"
mkdir -p /var/lib/volplane
docker plugin create "$plugin" "$work"
