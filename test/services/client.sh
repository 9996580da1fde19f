#!/usr/bin/env bash
# The StudioML client, as its users have it: the package studioml-cs in a Python environment of its own.
. "$(dirname "$0")/common.sh"
version=0.0.48.post3

# An environment may be moved as long as it is used through its python: bin/python finds pyvenv.cfg beside itself.
build() {
  "$(need_python python3.11 python3)" -m venv "$OUT"
  "$OUT/bin/pip" install --quiet --disable-pip-version-check "studioml-cs==$version"
  "$OUT/bin/python" -c 'import studio.experiments.experiment, studio.queues.queues_setup, studio.db_providers.db_provider_setup'
}

install() { make_once studioml-cs-$version build; }

start() {
  install
  echo "TEST_CLIENT_PYTHON=$RUNNER_TEST_CACHE/studioml-cs-$version/bin/python"
}

stop() { :; }

run "$@"
