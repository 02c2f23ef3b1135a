#!/usr/bin/env bash
# Installs, on Debian, the programs that `npm run test:neighbours` runs against: docker-registry, skopeo, htpasswd and
# docker by apt-get, crane by Go, moto by pip; and Go and Python's venv where they are missing. Does nothing where all of
# them are there already.
set -euo pipefail

as_root() { if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi; }
has() { command -v "$1" >/dev/null; }

tools=${FAIRLEAD_NEIGHBOURS:-.cache/neighbours}
mkdir -p "$tools"
tools=$(cd "$tools" && pwd)
has_crane() { has crane || [ -x "$tools/bin/crane" ]; }
has_moto() { has moto_server || [ -x "$tools/moto/bin/moto_server" ]; }

packages=()
has docker-registry || packages+=(docker-registry)
has skopeo || packages+=(skopeo)
has htpasswd || packages+=(apache2-utils)
has docker || packages+=(docker.io)
has_crane || has go || packages+=(golang-go ca-certificates)
# Debian has taken out of Python what a venv begins with.
has_moto || python3 -c 'import ensurepip' 2>/dev/null || packages+=(python3-venv)
if [ ${#packages[@]} -gt 0 ]; then
  as_root apt-get update -qq
  # The registry's package starts a service, which is of no use here.
  as_root env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
fi

install_crane() {
  local go=go folder
  # One of before 1.21, as in Debian 12, fetches no newer one by itself, and cannot read what crane says it needs.
  if ! [[ $(go env GOVERSION) =~ ^go1\.(2[1-9]|[3-9][0-9]) ]]; then
    folder=$(cd / && go mod download -json "golang.org/toolchain@v0.0.1-go1.26.6.$(go env GOOS)-$(go env GOARCH)" |
      sed -n 's/^.*"Dir": "\(.*\)".*$/\1/p')
    # Out of a module nothing may be run.
    chmod -R u+x "${folder:?}/bin" "$folder/pkg/tool"
    go=$folder/bin/go
  fi
  GOTOOLCHAIN=auto GOBIN="$tools/bin" "$go" install github.com/google/go-containerregistry/cmd/crane@v0.22.1
}

has_crane || install_crane
has_moto || {
  python3 -m venv "$tools/moto"
  "$tools/moto/bin/pip" install --quiet 'moto[server,ecr,sts,iam]==5.2.5'
}
