#!/usr/bin/env bash
# uv, the faster way to make Python environments. A program, not a server: `start` only says where it is.
. "$(dirname "$0")/common.sh"
version=0.13.9

# pip writes the final place into what it installs, but uv is one static program: it may be moved.
build() {
  "$(need_python python3)" -m venv "$OUT/venv"
  "$OUT/venv/bin/pip" install --quiet --disable-pip-version-check "uv==$version"
  mv "$OUT/venv/bin/uv" "$OUT/uv"
  rm -rf "$OUT/venv"
}

install() { make_once uv-$version build; }

start() {
  install
  echo "TEST_UV=$RUNNER_TEST_CACHE/uv-$version/uv"
}

stop() { :; }

run "$@"
