#!/usr/bin/env bash
# The API of Kubernetes alone, with the resource types of KEDA: it has no nodes and no controllers, so nothing that is created there
# ever runs. The first start builds for minutes.
# TEST_KUBERNETES_ARGUMENTS: more arguments of kube-apiserver.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/kubernetes-api.sh"
keda=2.21.0

fetch_keda_types() {
  local module
  cd "$OUT"
  module=$(GOTOOLCHAIN=auto go mod download -json "github.com/kedacore/keda/v2@v$keda" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
  cp "$module"/config/crd/bases/keda.sh_{scaledjobs,scaledobjects,triggerauthentications}.yaml .
}

install() {
  install_kubernetes kube-apiserver kube-apiserver
  make_with_go keda-types-$keda "fetch KEDA's types" fetch_keda_types
}

start() {
  local port more
  install
  port=$(ports kubernetes 3)
  read -ra more <<<"${TEST_KUBERNETES_ARGUMENTS:-}"
  # Nothing makes the service accounts that pods would need.
  start_api 127.0.0.1 "$port" $((port + 1)) 10.99.0.0/24 --disable-admission-plugins ServiceAccount "${more[@]}"
  echo "TEST_KEDA_TYPES=$RUNNER_TEST_CACHE/keda-types-$keda"
}

stop() {
  stop_api
  rm -rf "$home" "$RUNNER_TEST_DIR/kubernetes.ports"
}

run "$@"
