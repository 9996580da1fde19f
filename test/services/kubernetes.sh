#!/usr/bin/env bash
# The API of Kubernetes alone, with the resource types of KEDA and of the Prometheus operator: etcd from Debian and kube-apiserver, built
# from its Go module. It has no nodes and no controllers, so nothing that is created there ever runs. The first start builds for minutes.
. "$(dirname "$0")/common.sh"
version=1.30.14
keda=2.21.0
home=$RUNNER_TEST_DIR/kubernetes
cache=$RUNNER_TEST_CACHE

# k8s.io/kubernetes points its libraries at ./staging; the same sources are published as modules v0.x.
build_apiserver() {
  local module from=k8s.io/component-base/version
  mkdir "$OUT/source"
  cd "$OUT/source"
  module=$(GOFLAGS=-mod=mod go mod download -json "k8s.io/kubernetes@v$version" | sed -n 's/.*"GoMod": "\(.*\)".*/\1/p')
  {
    printf 'module apiserver\n\n'
    grep -E '^go ' "$module"
    printf '\nrequire k8s.io/kubernetes v%s\n\nreplace (\n' "$version"
    sed -nE "s#^\s*(replace )?(k8s.io/\S+) => \./staging/.*#\t\2 => \2 v0.${version#1.}#p" "$module"
    echo ')'
  } >go.mod
  printf 'package tools\n\nimport _ "k8s.io/kubernetes/cmd/kube-apiserver/app"\n' >tools.go
  nice -n 10 go mod tidy -e
  CGO_ENABLED=0 GOFLAGS=-buildvcs=false nice -n 10 go build -trimpath -o "$OUT/kube-apiserver" \
    -ldflags "-s -w -X $from.gitVersion=v$version -X $from.gitMajor=1 -X $from.gitMinor=30" k8s.io/kubernetes/cmd/kube-apiserver
  cd /
  rm -rf "$OUT/source"
}

fetch_keda_types() {
  local module
  cd "$OUT"
  module=$(GOTOOLCHAIN=auto go mod download -json "github.com/kedacore/keda/v2@v$keda" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
  cp "$module"/config/crd/bases/keda.sh_{scaledjobs,scaledobjects,triggerauthentications}.yaml .
}

install() {
  need_debian_packages etcd-server openssl curl
  if [ ! -d "$cache/kube-apiserver-$version" ] || [ ! -d "$cache/keda-types-$keda" ]; then
    command -v go >/dev/null || die 'needs Go to build kube-apiserver; there is no go on PATH'
  fi
  make_once kube-apiserver-$version build_apiserver
  make_once keda-types-$keda fetch_keda_types
}

start() {
  local port token
  install
  mkdir -p "$home"
  port=$(ports kubernetes 3)
  [ -s "$home/accounts.key" ] || openssl genrsa -out "$home/accounts.key" 2048 2>/dev/null
  [ -s "$home/token" ] || openssl rand -hex 16 >"$home/token"
  token=$(cat "$home/token")
  echo "$token,admin,admin,system:masters" >"$home/tokens.csv"
  start_process etcd etcd --data-dir "$home/etcd" --unsafe-no-fsync \
    --listen-client-urls "http://127.0.0.1:$((port + 1))" --advertise-client-urls "http://127.0.0.1:$((port + 1))" \
    --listen-peer-urls "http://127.0.0.1:$((port + 2))" --initial-advertise-peer-urls "http://127.0.0.1:$((port + 2))" \
    --initial-cluster "default=http://127.0.0.1:$((port + 2))"
  wait_until_ready etcd 60 answers "http://127.0.0.1:$((port + 1))/health"
  start_process kube-apiserver "$cache/kube-apiserver-$version/kube-apiserver" --etcd-servers "http://127.0.0.1:$((port + 1))" \
    --bind-address 127.0.0.1 --secure-port "$port" --cert-dir "$home/certs" --service-cluster-ip-range 10.99.0.0/24 \
    --token-auth-file "$home/tokens.csv" --authorization-mode RBAC --service-account-issuer https://kubernetes.default.svc \
    --service-account-key-file "$home/accounts.key" --service-account-signing-key-file "$home/accounts.key" \
    --disable-admission-plugins ServiceAccount --endpoint-reconciler-type none --profiling=false
  wait_until_ready kube-apiserver 120 answers -k -H "Authorization: Bearer $token" "https://127.0.0.1:$port/readyz"
  cat >"$home/kubeconfig" <<JSON
{"apiVersion":"v1","kind":"Config","current-context":"tests",
 "clusters":[{"name":"tests","cluster":{"server":"https://127.0.0.1:$port","certificate-authority-data":"$(base64 -w0 "$home/certs/apiserver.crt")"}}],
 "users":[{"name":"tests","user":{"token":"$token"}}],
 "contexts":[{"name":"tests","context":{"cluster":"tests","user":"tests","namespace":"default"}}]}
JSON
  echo "TEST_KUBECONFIG=$home/kubeconfig"
  echo "TEST_KEDA_TYPES=$cache/keda-types-$keda"
}

stop() {
  stop_process kube-apiserver 20
  stop_process etcd 10
  rm -rf "$home" "$RUNNER_TEST_DIR/kubernetes.ports"
}

run "$@"
