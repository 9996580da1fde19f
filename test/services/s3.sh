#!/usr/bin/env bash
# An S3 server: versitygw over a directory, built with Go from its module. Versioning on, keys minioadmin/minioadmin. And a second
# one over the same buckets that speaks TLS, certified by an authority of its own.
. "$(dirname "$0")/common.sh"
version=1.8.0
home=$RUNNER_TEST_DIR/s3

# GOTOOLCHAIN=auto lets an older Go fetch the one that the module asks for.
build() {
  GOTOOLCHAIN=auto GOFLAGS=-buildvcs=false GOBIN=$OUT nice -n 10 \
    go install -ldflags='-s -w' github.com/versity/versitygw/cmd/versitygw@v$version
}

install() {
  need_debian_packages curl openssl
  make_with_go versitygw-$version 'build versitygw (an S3 server)' build
}

# An authority, and what it certifies: the server, and a client.
certify() {
  local name
  (
    cd "$home/tls"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj '/CN=runner tests' -keyout ca.key -out ca.crt
    for name in server client; do
      openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$name" -keyout $name.key -out $name.csr
      openssl x509 -req -in $name.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -out $name.crt \
        -extfile <(echo 'subjectAltName=IP:127.0.0.1,DNS:localhost')
    done
  ) >"$home/tls/openssl.log" 2>&1 || { cat "$home/tls/openssl.log" >&2; die 'could not make certificates'; }
}

serve() { # NAME PORT ARGUMENTS...
  local name=$1 port=$2
  shift 2
  start_process "$name" "$RUNNER_TEST_CACHE/versitygw-$version/versitygw" --port "127.0.0.1:$port" --health /healthz --keep-alive \
    --quiet "$@" posix --versioning-dir "$home/versions" "$home/buckets"
}

start() {
  local port
  install
  mkdir -p "$home/buckets" "$home/versions" "$home/tls"
  [ -s "$home/tls/client.crt" ] || certify
  port=$(ports s3 2)
  export ROOT_ACCESS_KEY=minioadmin ROOT_SECRET_KEY=minioadmin
  serve s3 "$port"
  serve s3-tls "$((port + 1))" --cert "$home/tls/server.crt" --key "$home/tls/server.key"
  wait_until_ready s3 30 answers "http://127.0.0.1:$port/healthz"
  wait_until_ready s3-tls 30 answers --cacert "$home/tls/ca.crt" "https://127.0.0.1:$((port + 1))/healthz"
  echo "TEST_S3_URL=http://minioadmin:minioadmin@127.0.0.1:$port"
  echo "TEST_S3_TLS_URL=https://minioadmin:minioadmin@127.0.0.1:$((port + 1))"
  echo "TEST_S3_TLS_FILES=$home/tls"
}

stop() {
  stop_process s3 10
  stop_process s3-tls 10
  rm -rf "$home" "$RUNNER_TEST_DIR/s3.ports"
}

run "$@"
