#!/usr/bin/env bash
# A Podman of its own with its own data, whose socket speaks as Docker's does. It knows the busybox that docker.sh made as
# localhost/busybox:local. Only the test that asks for it starts it, with IMAGE_TAR in the environment.
. "$(dirname "$0")/common.sh"
home=$RUNNER_TEST_DIR/podman
export CONTAINERS_CONF=$home/containers.conf

podman_here() {
  podman --root "$home/root" --runroot "$home/run" --storage-driver vfs --cgroup-manager cgroupfs --events-backend file "$@"
}

start() {
  need_debian_packages podman runc
  mkdir -p "$home"
  # runc knows both versions of control groups side by side; a machine may not let limits be raised.
  printf '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]\n[engine]\nruntime = "runc"\n' >"$CONTAINERS_CONF"
  podman_here import "$IMAGE_TAR" localhost/busybox:local >/dev/null 2>&1
  start_process podman podman --root "$home/root" --runroot "$home/run" --storage-driver vfs --cgroup-manager cgroupfs \
    --events-backend file system service --time 0 "unix://$home/podman.sock"
  wait_until_ready podman 30 curl -sf --unix-socket "$home/podman.sock" http://podman/_ping
  echo "TEST_PODMAN_HOST=unix://$home/podman.sock"
}

install() { need_debian_packages podman runc; }

stop() {
  local mounted
  podman_here rm --all --force >/dev/null 2>&1 || true
  stop_process podman 10
  for mounted in $(findmnt -rno TARGET | grep -F "$home/" | sort -r); do umount -l "$mounted" || true; done
  rm -rf "$home"
}

run "$@"
