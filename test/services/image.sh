#!/usr/bin/env bash
# The runner's image: the Dockerfile as it stands, built by the dockerd of docker.sh, which has to run, and pushed to its registry. The
# images that it begins with are made here under their own names, since no hub may be in reach: Debian's packages, the Node of this
# project's package, this machine's npm, and its Pythons in place of the ones that uv would fetch from GitHub.
. "$(dirname "$0")/common.sh"
project=$(cd "$(dirname "$0")/../.." && pwd)
home=$RUNNER_TEST_DIR/image
export DOCKER_HOST=unix://$RUNNER_TEST_DIR/docker/docker.sock DOCKER_BUILDKIT=0 DOCKER_CONFIG=$home/config

argument() { sed -nE "s/^ARG $1=\"?([^\"]*)\"?$/\1/p" "$project/Dockerfile"; }

make_debian() { # RELEASE
  debootstrap --variant=minbase "$1" "$OUT/root"
  rm -rf "$OUT/root/var/cache/apt/archives" "$OUT"/root/var/lib/apt/lists/*
  tar -C "$OUT/root" --numeric-owner -cf "$OUT/root.tar" .
  rm -rf "$OUT/root"
}

install() {
  need_debian_packages docker.io debootstrap patchelf
  make_once "debian-$(argument DEBIAN)" make_debian "$(argument DEBIAN)"
}

# One of this machine's, VERSION as in 3.13; where it answers with what requirements need.
find_interpreter() { # VERSION
  local python
  for python in "$(command -v "python$1" || true)" "/usr/bin/python$1" "$HOME"/.pyenv/versions/"$1".*/bin/"python$1"; do
    [ -x "$python" ] && "$python" -c 'import ssl, ctypes, zlib, sys; print(sys.base_prefix)' 2>/dev/null && return 0
  done
  return 1
}

# pack_interpreter VERSION PREFIX: as uv takes them, and its entry in the list of what may be fetched
pack_interpreter() {
  local version=$1 from=$2 name=cpython-$1 to=$home/pythons/python patch
  mkdir -p "$to/bin" "$to/lib"
  cp -L "$from/bin/python$version" "$to/bin/"
  cp -a "$from/lib/python$version" "$to/lib/"
  rm -rf "$to/lib/python$version"/{test,site-packages,dist-packages,config-*} "$to/lib/python$version/EXTERNALLY-MANAGED"
  mkdir "$to/lib/python$version/site-packages"
  find "$to" -name __pycache__ -prune -exec rm -rf {} +
  if [ -e "$from/lib/libpython$version.so.1.0" ]; then
    cp -L "$from/lib/libpython$version.so.1.0" "$to/lib/"
    patchelf --set-rpath "\$ORIGIN/../lib" "$to/bin/python$version"
  fi
  ln -s "python$version" "$to/bin/python3"
  tar -C "$home/pythons" -czf "$home/pythons/$name.tar.gz" python
  rm -rf "$to"
  patch=$("$from/bin/python$version" -c 'import sys; print(sys.version_info.micro)')
  cat <<JSON
"$name":{"name":"cpython","arch":{"family":"$(uname -m)","variant":null},"os":"linux","libc":"gnu","major":${version%.*},
 "minor":${version#*.},"patch":$patch,"prerelease":"","url":"file:///pythons/$name.tar.gz","sha256":null,"variant":null,"build":null}
JSON
}

# What the machine trusts and where it finds packages, for the images that only build.
surroundings() {
  echo 'COPY trusted.crt /trusted.crt'
  echo 'ENV NODE_EXTRA_CA_CERTS=/trusted.crt SSL_CERT_FILE=/trusted.crt PIP_CERT=/trusted.crt'
  echo "ENV npm_config_registry=$(npm config get registry) PIP_INDEX_URL=${PIP_INDEX_URL:-https://pypi.org/simple}"
}

base_images() {
  local debian node npm prefix version versions=() entries=()
  debian=debian:$(argument DEBIAN)-slim
  docker import "$RUNNER_TEST_CACHE/debian-$(argument DEBIAN)/root.tar" "$debian" >/dev/null
  cp /etc/ssl/certs/ca-certificates.crt "$home/trusted.crt"
  node=$(argument NODE_VERSION)
  cp "$project/node_modules/node/bin/node" "$home/node"
  [ "$("$home/node" -p process.versions.node)" = "$node" ] || die "needs Node $node in node_modules: npm ci"
  npm=$(realpath "$(command -v npm)") # its bin/npm-cli.js
  cp -rL "${npm%/bin/*}" "$home/npm"
  mkdir -p "$home/pythons"
  for version in $(argument PYTHONS); do
    prefix=$(find_interpreter "$version") || { say "no Python $version on this machine"; continue; }
    entries+=("$(pack_interpreter "$version" "$prefix")")
    versions+=("$version")
  done
  [ ${#versions[@]} != 0 ] || die "none of the Pythons of the image is on this machine: $(argument PYTHONS)"
  pythons=${versions[*]}
  (IFS=, && echo "{${entries[*]}}" >"$home/pythons/list.json")
  {
    echo "FROM $debian"
    surroundings
    echo 'COPY node /usr/local/bin/node'
    echo 'COPY npm /usr/local/lib/node_modules/npm'
    echo 'RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm'
  } | build_base "node:$node-$(argument DEBIAN)-slim"
  {
    echo "FROM $debian"
    echo 'RUN apt-get update -q && apt-get install -yq --no-install-recommends python3-pip'
    surroundings
    echo 'COPY pythons /pythons'
    echo 'ENV PIP_BREAK_SYSTEM_PACKAGES=1 UV_PYTHON_DOWNLOADS_JSON_URL=/pythons/list.json'
  } | build_base "$(sed -nE "s/^FROM (python:\S+) .*/\1/p" "$project/Dockerfile" | sed "s/\${DEBIAN}/$(argument DEBIAN)/")"
}

build_base() { # NAME, its Dockerfile on stdin
  say "making the base image $1"
  docker build --quiet --network host --tag "$1" --file - "$home" >/dev/null
}

start() {
  local registry pythons image
  install
  mkdir -p "$home"
  registry=127.0.0.1:$(ports docker 2)
  image=$registry/studioml-runner:tests
  if ! docker image inspect "$image" >/dev/null 2>&1; then
    base_images
    say "building the image of the runner"
    docker build --network host --tag "$image" --build-arg "PYTHONS=$pythons" "$project" >"$home/build.log" 2>&1 ||
      { tail -n 40 "$home/build.log" >&2; die 'the image of the runner was not built'; }
    docker push -q "$image" >/dev/null
  fi
  echo "TEST_RUNNER_IMAGE=$image"
}

stop() { rm -rf "$home"; }

run "$@"
