#!/usr/bin/env bash
# A dockerd of its own with its own data and socket, and two registries on loopback: one for everybody, one that asks for
# user `tester` and password `secret-of-the-registry`. Each has the image busybox:1, made of Debian's busybox-static; dockerd knows it
# as busybox:local. No bridge and no firewall rules: containers have the networks none and host.
. "$(dirname "$0")/common.sh"
home=$RUNNER_TEST_DIR/docker
export DOCKER_HOST=unix://$home/docker.sock

install() { need_debian_packages docker.io docker-registry busybox-static curl; }

# dockerd needs the controllers of cgroup v2 or v1; a bare sandbox may have mounted neither.
mount_cgroups() {
  local controller
  if [ -e /sys/fs/cgroup/cgroup.controllers ] || mountpoint -q /sys/fs/cgroup/memory; then return 0; fi
  mountpoint -q /sys/fs/cgroup || mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup
  for controller in cpu cpuacct cpuset memory devices freezer blkio pids; do
    mkdir -p "/sys/fs/cgroup/$controller"
    mountpoint -q "/sys/fs/cgroup/$controller" || mount -t cgroup -o "$controller" "$controller" "/sys/fs/cgroup/$controller"
  done
}

start_registry() { # NAME PORT MORE-CONFIGURATION
  cat >"$home/$1.yml" <<YAML
version: 0.1
log: {level: warn}
storage: {filesystem: {rootdirectory: $home/$1}}
http: {addr: "127.0.0.1:$2"}
$3
YAML
  start_process "$1" docker-registry serve "$home/$1.yml"
}

# A busybox with a stand-in for Python that is a shell: `python3 main.py` runs main.py as a shell script.
make_image() {
  local root applet
  root=$(mktemp -d "$home/image-XXXXXX")
  mkdir -p "$root"/{bin,tmp,etc,proc,dev,sys,root}
  cp "$(command -v busybox)" "$root/bin/busybox"
  for applet in $("$root/bin/busybox" --list); do [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"; done
  printf '#!/bin/sh\nexec /bin/sh "$@"\n' >"$root/bin/python3"
  chmod 755 "$root" "$root/bin/python3"
  chmod 1777 "$root/tmp"
  echo root:x:0:0:root:/root:/bin/sh >"$root/etc/passwd"
  tar -C "$root" --owner 0 --group 0 -cf "$home/busybox.tar" .
  rm -rf "$root"
  docker import -c 'CMD ["/bin/echo", "the own command of the image"]' "$home/busybox.tar" busybox:local >/dev/null
}

push_image() { # REGISTRY
  docker tag busybox:local "$1/busybox:1"
  docker push -q "$1/busybox:1" >/dev/null
  docker rmi "$1/busybox:1" >/dev/null
}

start() {
  local port
  install
  mkdir -p "$home"
  mount_cgroups
  port=$(ports docker 2)
  # After a SIGKILL its pid file is in the way, where the pid is in use again.
  is_running dockerd || rm -f "$home/dockerd.pid" "$home/exec/containerd/containerd.pid"
  start_process dockerd dockerd --data-root "$home/data" --exec-root "$home/exec" -H "$DOCKER_HOST" -p "$home/dockerd.pid" \
    --shutdown-timeout 5 --bridge none --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false
  # libcrypt's bcrypt, as htpasswd files hold it.
  printf 'tester:%s\n' "$(perl -e 'print crypt("secret-of-the-registry", q($2b$05$abcdefghijklmnopqrstuu))')" >"$home/htpasswd"
  start_registry registry "$port" ''
  start_registry registry-private $((port + 1)) "auth: {htpasswd: {realm: tests, path: $home/htpasswd}}"
  wait_until_ready registry 30 answers "http://127.0.0.1:$port/v2/"
  wait_until_ready registry-private 30 answers -u tester:secret-of-the-registry "http://127.0.0.1:$((port + 1))/v2/"
  wait_until_ready dockerd 60 docker version
  if ! docker image inspect busybox:local >/dev/null 2>&1; then
    export DOCKER_CONFIG=$home/config
    make_image
    push_image "127.0.0.1:$port"
    echo secret-of-the-registry | docker login -u tester --password-stdin "127.0.0.1:$((port + 1))" >/dev/null 2>&1
    push_image "127.0.0.1:$((port + 1))"
  fi
  echo "TEST_DOCKER_HOST=$DOCKER_HOST"
  echo "TEST_REGISTRY=127.0.0.1:$port"
  echo "TEST_REGISTRY_PRIVATE=127.0.0.1:$((port + 1))"
  echo "TEST_IMAGE_TAR=$home/busybox.tar"
}

stop() {
  local mounted
  if is_running dockerd; then docker ps -q | xargs -r docker kill >/dev/null 2>&1 || true; fi
  stop_process dockerd 30
  stop_process registry 5
  stop_process registry-private 5
  for mounted in $(findmnt -rno TARGET | grep -F "$home/" | sort -r); do umount -l "$mounted" || true; done
  rm -rf "$home" "$RUNNER_TEST_DIR/docker.ports"
}

run "$@"
