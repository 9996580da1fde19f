#!/usr/bin/env bash
# An S3 server: versitygw over a directory, built with Go from its module. Versioning on, keys minioadmin/minioadmin.
. "$(dirname "$0")/common.sh"
version=1.8.0
home=$RUNNER_TEST_DIR/s3

# GOTOOLCHAIN=auto lets an older Go fetch the one that the module asks for.
build() {
  GOTOOLCHAIN=auto GOFLAGS=-buildvcs=false GOBIN=$OUT nice -n 10 \
    go install -ldflags='-s -w' github.com/versity/versitygw/cmd/versitygw@v$version
}

install() {
  need_debian_packages curl
  if [ ! -d "$RUNNER_TEST_CACHE/versitygw-$version" ]; then
    command -v go >/dev/null || die 'needs Go to build versitygw (an S3 server); there is no go on PATH'
  fi
  make_once versitygw-$version build
}

start() {
  local port
  install
  mkdir -p "$home/buckets" "$home/versions"
  port=$(ports s3 1)
  export ROOT_ACCESS_KEY=minioadmin ROOT_SECRET_KEY=minioadmin
  start_process s3 "$RUNNER_TEST_CACHE/versitygw-$version/versitygw" --port "127.0.0.1:$port" --health /healthz --keep-alive \
    --quiet posix --versioning-dir "$home/versions" "$home/buckets"
  wait_until_ready s3 30 answers "http://127.0.0.1:$port/healthz"
  echo "TEST_S3_URL=http://minioadmin:minioadmin@127.0.0.1:$port"
}

stop() {
  stop_process s3 10
  rm -rf "$home" "$RUNNER_TEST_DIR/s3.ports"
}

run "$@"
