#!/usr/bin/env bash
# usage: RUNNER_TEST_DIR=dir bash guard.sh PID SCRIPT...
# Stop what the scripts started in RUNNER_TEST_DIR when the process PID has ended without doing it: one that is killed can't, and a cluster
# leaves mounts and addresses behind. Ends when the directory is gone.
. "$(dirname "$0")/common.sh"
owner=$1
shift
since=$(started_at "$owner") || exit 0
while [ -d "$RUNNER_TEST_DIR" ] && [ "$(started_at "$owner" || true)" = "$since" ]; do sleep 1; done
[ -d "$RUNNER_TEST_DIR" ] || exit 0
for script; do bash "$(dirname "$0")/$script.sh" stop || true; done
rm -rf "$RUNNER_TEST_DIR"
