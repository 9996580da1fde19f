#!/usr/bin/env bash
# Prometheus and promtool, from Debian's package. Programs, not servers: a test starts its own with its own configuration.
. "$(dirname "$0")/common.sh"

install() { need_debian_packages prometheus; }

start() {
  install
  echo "TEST_PROMETHEUS=$(command -v prometheus)"
  echo "TEST_PROMTOOL=$(command -v promtool)"
}

stop() { :; }

run "$@"
