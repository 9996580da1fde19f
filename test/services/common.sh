# shellcheck shell=bash
# What the service scripts beside this file share. Each of them is run as `bash NAME.sh install|start|stop`.
#
# RUNNER_TEST_DIR    pid files, ports, logs and data of one set of services; keep it short, sockets live below it (108 bytes)
# RUNNER_TEST_CACHE  programs that were built or installed once, shared by all checkouts of this user
#
# stdout carries only `NAME=value` lines for the tests; what a person wants to read goes to stderr.
set -euo pipefail

RUNNER_TEST_DIR=${RUNNER_TEST_DIR:-/tmp/studioml-runner-$(id -u)}
RUNNER_TEST_CACHE=${RUNNER_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/studioml-runner-tests}
mkdir -p "$RUNNER_TEST_DIR" "$RUNNER_TEST_CACHE"

say() { printf '%s\n' "$*" >&2; }
die() {
  say "$*"
  exit 1
}

# A process is named by its pid and its start time (field 22 of /proc/PID/stat), so that a pid used again is never signalled.
# The command name, field 2, may hold spaces and parentheses: count from behind its last one. A zombie has ended.
started_at() {
  local stat fields
  { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 1
  read -ra fields <<<"${stat##*) }"
  [ "${fields[0]}" != Z ] && printf '%s\n' "${fields[19]}"
}

is_running() { # NAME
  local pid since
  [ -s "$RUNNER_TEST_DIR/$1.pid" ] || return 1
  read -r pid since <"$RUNNER_TEST_DIR/$1.pid"
  [ -n "$since" ] && [ "$(started_at "$pid")" = "$since" ]
}

start_process() { # NAME COMMAND...: in a session of its own, output to NAME.log; does nothing while it runs
  local name=$1 pid
  shift
  if is_running "$name"; then return 0; fi
  setsid "$@" </dev/null >"$RUNNER_TEST_DIR/$name.log" 2>&1 9>&- &
  pid=$!
  printf '%s %s\n' "$pid" "$(started_at "$pid")" >"$RUNNER_TEST_DIR/$name.pid"
}

stop_process() { # NAME SECONDS: SIGTERM, and SIGKILL to its whole session when it takes longer than that
  local pid since end=$((SECONDS + $2))
  if is_running "$1"; then
    read -r pid since <"$RUNNER_TEST_DIR/$1.pid"
    kill -TERM "$pid" 2>/dev/null || true
    while is_running "$1" && [ $SECONDS -lt $end ]; do sleep 0.05; done
    if is_running "$1"; then kill -KILL -- "-$pid" 2>/dev/null || kill -KILL "$pid" 2>/dev/null || true; fi
  fi
  rm -f "$RUNNER_TEST_DIR/$1.pid"
}

wait_until_ready() { # NAME SECONDS COMMAND...: until the command succeeds; an ended process or a passed deadline shows the log
  local name=$1 limit=$2 end=$((SECONDS + $2))
  shift 2
  until "$@" >/dev/null 2>&1; do
    is_running "$name" || { tail -n 30 "$RUNNER_TEST_DIR/$name.log" >&2; die "$name ended before it was ready"; }
    [ $SECONDS -lt $end ] || { tail -n 30 "$RUNNER_TEST_DIR/$name.log" >&2; die "$name was not ready within $limit s"; }
    sleep 0.1
  done
}

answers() { curl -fsS -o /dev/null --max-time 2 "$@"; } # CURL-ARGUMENTS...: the URL answers with success

# ports NAME COUNT: COUNT ports in a row that nobody listens on, remembered for as long as the service's directory lives.
# Below 32768, so that no outgoing connection of this machine takes one in between; random, so that two checkouts don't meet.
ports() {
  local file=$RUNNER_TEST_DIR/$1.ports base port try
  if [ ! -s "$file" ]; then
    for try in $(seq 50); do
      base=$((RANDOM % 12000 + 20000))
      for ((port = base; port < base + $2; port++)); do
        if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then continue 2; fi
      done
      echo "$base" >"$file"
      break
    done
    [ -s "$file" ] || die "$1: found no $2 free ports in a row after $try tries"
  fi
  cat "$file"
}

need_debian_packages() { # PACKAGE...: installs what is missing; the packages' own services are not started
  local missing=() package
  for package; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} = 0 ] && return 0
  command -v apt-get >/dev/null || die "needs ${missing[*]}; there is no apt-get here to install it with"
  [ "$(id -u)" = 0 ] || die "needs ${missing[*]}; install it as root: apt-get install ${missing[*]}"
  say "installing ${missing[*]}"
  (
    flock 8
    install_packages "${missing[@]}" || { apt-get update -qq && install_packages "${missing[@]}"; }
  ) 8>"$RUNNER_TEST_CACHE/apt.lock" >"$RUNNER_TEST_DIR/apt.log" 2>&1 ||
    { tail -n 20 "$RUNNER_TEST_DIR/apt.log" >&2; die "could not install ${missing[*]}"; }
}
# RUNLEVEL=1 makes invoke-rc.d leave the packages' services alone.
install_packages() {
  RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends -o DPkg::Lock::Timeout=300 "$@"
}

# make_once NAME COMMAND...: runs COMMAND with $OUT set to an empty directory, and publishes that as $RUNNER_TEST_CACHE/NAME by
# rename, one process at a time: what is in the cache is whole.
make_once() {
  local target=$RUNNER_TEST_CACHE/$1
  [ -d "$target" ] && return 0
  (
    flock 9
    [ -d "$target" ] && exit 0
    OUT=$(mktemp -d "$RUNNER_TEST_CACHE/.new-XXXXXX")
    export OUT
    trap 'rm -rf "$OUT"' EXIT
    say "installing $1 into $RUNNER_TEST_CACHE"
    "${@:2}" >"$OUT.log" 2>&1 || { tail -n 20 "$OUT.log" >&2; rm -f "$OUT.log"; die "could not install $1"; }
    rm -f "$OUT.log"
    mv -T "$OUT" "$target"
  ) 9>"$RUNNER_TEST_CACHE/$1.lock"
}

# make_with_go NAME PURPOSE COMMAND...: make_once by a command that needs Go; says what it is needed for where there is none.
make_with_go() {
  [ -d "$RUNNER_TEST_CACHE/$1" ] || command -v go >/dev/null || die "needs Go to $2; there is no go on PATH"
  make_once "$1" "${@:3}"
}

# A Python that can make environments: the first that answers (a version manager's shim may not).
find_python() { # PYTHON-NAMES...
  local python
  for python; do
    if "$python" -c 'import venv, ensurepip' >/dev/null 2>&1; then
      "$python" -c 'import sys; print(sys.executable)'
      return 0
    fi
  done
  return 1
}
need_python() { # PYTHON-NAMES...
  find_python "$@" && return 0
  need_debian_packages python3 python3-venv
  find_python /usr/bin/python3 "$@" || die "found no Python with venv and ensurepip among: $*"
}

# run ACTION: calls the script's own function of that name.
run() {
  case ${1:-} in
  install | start | stop) "$1" ;;
  *) die "usage: bash $(basename "$0") install|start|stop" ;;
  esac
}
