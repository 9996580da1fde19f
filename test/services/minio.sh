#!/usr/bin/env bash
# MinIO, a second S3 server to prove the driver on, built with Go from its module (some minutes, once). Keys minioadmin/minioadmin.
# Only a long test starts it. The module proxy has no release tags of MinIO; this is its last version, the project is archived.
. "$(dirname "$0")/common.sh"
version=v0.0.0-20260212201848-7aac2a2c5b7c
home=$RUNNER_TEST_DIR/minio

# GOTOOLCHAIN=auto lets an older Go fetch the one that the module asks for.
build() {
  GOTOOLCHAIN=auto GOFLAGS=-buildvcs=false GOBIN=$OUT nice -n 10 go install -ldflags='-s -w' github.com/minio/minio@$version
}

install() {
  need_debian_packages curl
  make_with_go minio-$version 'build MinIO (an S3 server)' build
}

start() {
  local port
  install
  mkdir -p "$home"
  port=$(ports minio 1)
  export MINIO_ROOT_USER=minioadmin MINIO_ROOT_PASSWORD=minioadmin MINIO_BROWSER=off MINIO_UPDATE=off MINIO_CI_CD=1 GOMEMLIMIT=1GiB
  start_process minio "$RUNNER_TEST_CACHE/minio-$version/minio" server --quiet --address "127.0.0.1:$port" "$home"
  wait_until_ready minio 60 answers "http://127.0.0.1:$port/minio/health/ready"
  echo "TEST_MINIO_URL=http://minioadmin:minioadmin@127.0.0.1:$port"
}

stop() {
  stop_process minio 10
  rm -rf "$home" "$RUNNER_TEST_DIR/minio.ports"
}

run "$@"
