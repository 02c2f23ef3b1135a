#!/usr/bin/env bash
# Installs, on Debian, the programs that `npm run test:neighbours` runs against: docker-registry, skopeo, htpasswd and
# docker by apt-get, crane by Go, moto by pip. Does nothing where they are there already.
set -euo pipefail

as_root() { if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi; }
has() { command -v "$1" >/dev/null; }

packages=()
has docker-registry || packages+=(docker-registry)
has skopeo || packages+=(skopeo)
has htpasswd || packages+=(apache2-utils)
has docker || packages+=(docker.io)
if [ ${#packages[@]} -gt 0 ]; then
  as_root apt-get update -qq
  # The registry's package starts a service, which is of no use here.
  as_root env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
fi

tools=${FAIRLEAD_NEIGHBOURS:-.cache/neighbours}
mkdir -p "$tools"
tools=$(cd "$tools" && pwd)
has crane || [ -x "$tools/bin/crane" ] ||
  GOBIN="$tools/bin" go install github.com/google/go-containerregistry/cmd/crane@v0.22.1
has moto_server || [ -x "$tools/moto/bin/moto_server" ] || {
  python3 -m venv "$tools/moto"
  "$tools/moto/bin/pip" install --quiet 'moto[server,ecr,sts,iam]==5.2.5'
}
