# shellcheck shell=bash
# The programs of Kubernetes, built from its Go module, and its API: etcd from Debian and kube-apiserver. For the scripts beside this
# file, after common.sh.
kubernetes_version=1.30.14
home=$RUNNER_TEST_DIR/kubernetes

# k8s.io/kubernetes points its libraries at ./staging; the same sources are published as modules v0.x.
build_kubernetes() { # PROGRAM...
  local module program from=k8s.io/component-base/version
  mkdir "$OUT/source"
  cd "$OUT/source"
  module=$(GOFLAGS=-mod=mod go mod download -json "k8s.io/kubernetes@v$kubernetes_version" | sed -n 's/.*"GoMod": "\(.*\)".*/\1/p')
  {
    printf 'module programs\n\n'
    grep -E '^go ' "$module"
    printf '\nrequire k8s.io/kubernetes v%s\n\nreplace (\n' "$kubernetes_version"
    sed -nE "s#^\s*(replace )?(k8s.io/\S+) => \./staging/.*#\t\2 => \2 v0.${kubernetes_version#1.}#p" "$module"
    echo ')'
  } >go.mod
  {
    printf 'package tools\n\n'
    for program; do printf 'import _ "k8s.io/kubernetes/cmd/%s/app"\n' "$program"; done
  } >tools.go
  nice -n 10 go mod tidy -e
  CGO_ENABLED=0 GOFLAGS=-buildvcs=false nice -n 10 go build -trimpath -o "$OUT/" \
    -ldflags "-s -w -X $from.gitVersion=v$kubernetes_version -X $from.gitMajor=1 -X $from.gitMinor=30" "${@/#/k8s.io/kubernetes/cmd/}"
  cd /
  rm -rf "$OUT/source"
}

# install_kubernetes NAME PROGRAM...: the programs into NAME-VERSION of the cache; minutes the first time
install_kubernetes() {
  local name=$1-$kubernetes_version
  need_debian_packages etcd-server openssl curl
  make_with_go "$name" "build ${*:2}" build_kubernetes "${@:2}"
}

# start_api ADDRESS PORT ETCD-PORT SERVICES ARGUMENTS...: with an administrator, whose access is in $home/kubeconfig. SERVICES are the
# addresses of services; ARGUMENTS are more of kube-apiserver's.
start_api() {
  local url=https://$1:$2 etcd=127.0.0.1:$3 peers=127.0.0.1:$(($3 + 1)) token
  mkdir -p "$home"
  [ -s "$home/accounts.key" ] || openssl genrsa -out "$home/accounts.key" 2048 2>/dev/null
  [ -s "$home/token" ] || openssl rand -hex 16 >"$home/token"
  token=$(cat "$home/token")
  echo "$token,admin,admin,system:masters" >"$home/tokens.csv"
  start_process etcd etcd --data-dir "$home/etcd" --unsafe-no-fsync --listen-client-urls "http://$etcd" \
    --advertise-client-urls "http://$etcd" --listen-peer-urls "http://$peers" --initial-advertise-peer-urls "http://$peers" \
    --initial-cluster "default=http://$peers"
  wait_until_ready etcd 60 answers "http://$etcd/health"
  start_process kube-apiserver "$RUNNER_TEST_CACHE/kube-apiserver-$kubernetes_version/kube-apiserver" --etcd-servers "http://$etcd" \
    --bind-address "$1" --secure-port "$2" --cert-dir "$home/certs" --service-cluster-ip-range "$4" \
    --token-auth-file "$home/tokens.csv" --authorization-mode RBAC --service-account-issuer https://kubernetes.default.svc \
    --service-account-key-file "$home/accounts.key" --service-account-signing-key-file "$home/accounts.key" \
    --endpoint-reconciler-type none --profiling=false "${@:5}"
  wait_until_ready kube-apiserver 120 answers -k -H "Authorization: Bearer $token" "$url/readyz"
  cat >"$home/kubeconfig" <<JSON
{"apiVersion":"v1","kind":"Config","current-context":"tests",
 "clusters":[{"name":"tests","cluster":{"server":"$url","certificate-authority-data":"$(base64 -w0 "$home/certs/apiserver.crt")"}}],
 "users":[{"name":"tests","user":{"token":"$token"}}],
 "contexts":[{"name":"tests","context":{"cluster":"tests","user":"tests","namespace":"default"}}]}
JSON
  echo "TEST_KUBECONFIG=$home/kubeconfig"
}

stop_api() {
  stop_process kube-apiserver 20
  stop_process etcd 10
}
