#!/usr/bin/env bash
# The StudioML client, as its users have it: the package studioml-cs in a Python environment of its own.
. "$(dirname "$0")/common.sh"
version=0.0.48.post3
# What the client reads and writes sealed messages and reports with.
libraries="protobuf==6.33.0"
name="studioml-cs-$version-reports"

# An environment may be moved as long as it is used through its python: bin/python finds pyvenv.cfg beside itself.
build() {
  "$(need_python python3.11 python3)" -m venv "$OUT"
  # shellcheck disable=SC2086 # one word each
  "$OUT/bin/pip" install --quiet --disable-pip-version-check "studioml-cs==$version" $libraries
  "$OUT/bin/python" -c 'import studio.experiments.experiment, studio.queues.queues_setup, studio.db_providers.db_provider_setup'
}

install() { make_once "$name" build; }

start() {
  install
  echo "TEST_CLIENT_PYTHON=$RUNNER_TEST_CACHE/$name/bin/python"
}

stop() { :; }

run "$@"
