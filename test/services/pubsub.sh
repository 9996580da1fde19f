#!/usr/bin/env bash
# Google Pub/Sub: the in-memory server of Google's own Go client, in a main of a few lines, built with Go.
. "$(dirname "$0")/common.sh"
version=2.9.0
home=$RUNNER_TEST_DIR/pubsub

# GOTOOLCHAIN=auto lets an older Go fetch the one that the module asks for.
build() {
  local module=$OUT.module
  mkdir "$module"
  cat >"$module/main.go" <<'GO'
package main

import (
	"log"
	"os"
	"strconv"

	"cloud.google.com/go/pubsub/v2/pstest"
)

func main() {
	port, err := strconv.Atoi(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	server := pstest.NewServerWithPort(port)
	log.Print("serving on ", server.Addr)
	select {}
}
GO
  (
    cd "$module"
    export GOTOOLCHAIN=auto GOFLAGS=-buildvcs=false
    go mod init tests
    go get "cloud.google.com/go/pubsub/v2@v$version"
    go mod tidy
    nice -n 10 go build -ldflags='-s -w' -o "$OUT/pubsub" .
  )
  rm -rf "$module"
}

install() {
  make_with_go pubsub-$version 'build a Pub/Sub server' build
}

start() {
  local port
  install
  mkdir -p "$home"
  port=$(ports pubsub 1)
  start_process pubsub "$RUNNER_TEST_CACHE/pubsub-$version/pubsub" "$port"
  wait_until_ready pubsub 30 grep -q serving "$RUNNER_TEST_DIR/pubsub.log"
  echo "TEST_PUBSUB_HOST=127.0.0.1:$port"
}

stop() {
  stop_process pubsub 10
  rm -rf "$home" "$RUNNER_TEST_DIR/pubsub.ports"
}

run "$@"
