#!/usr/bin/env bash
# A whole cluster of one node, in which pods run: the API, kube-controller-manager, kube-scheduler, containerd and kubelet. Its images come
# from the registry of docker.sh, which has to run. The first start builds for minutes.
#
# It has a network of its own, 198.18.N.0/24 for pods and 198.19.N.0/24 for the rest, in the range that is set aside for tests of
# network devices (RFC 2544). The node and the API are addresses of the loopback device: pods reach what listens there, and nothing
# else, for there is no NAT. The API listens at the address of its own service, so no kube-proxy is needed. There is no DNS.
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/kubernetes-api.sh"
socket=$home/containerd.sock

programs() { echo "$RUNNER_TEST_CACHE/kube-node-$kubernetes_version/$1"; }

install() {
  need_debian_packages containerd runc containernetworking-plugins iproute2 docker.io busybox-static
  install_kubernetes kube-apiserver kube-apiserver
  install_kubernetes kube-node kube-controller-manager kube-scheduler kubelet
}

# The N of this cluster's network, remembered for as long as its directory lives.
network() {
  local file=$RUNNER_TEST_DIR/cluster.network try
  for try in $(seq 50); do
    [ -s "$file" ] && break
    echo $((RANDOM % 256)) >"$file"
    ip -4 address | grep -qF "198.19.$(cat "$file")." && rm "$file"
  done
  [ -s "$file" ] || die "cluster: found no free network after $try tries"
  cat "$file"
}

# An authority, and what it certifies: that it is the API who calls the kubelet.
certify() {
  (
    cd "$home"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj '/CN=cluster tests' -keyout ca.key -out ca.crt
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj '/CN=api' -keyout api.key -out api.csr
    openssl x509 -req -in api.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -out api.crt
  ) >"$home/openssl.log" 2>&1 || { cat "$home/openssl.log" >&2; die 'could not make certificates'; }
}

# What holds a pod's network while its containers come and go.
push_pause() { # IMAGE
  local container
  export DOCKER_HOST=unix://$RUNNER_TEST_DIR/docker/docker.sock DOCKER_CONFIG=$home/docker
  container=$(docker create busybox:local)
  docker commit --change 'ENTRYPOINT ["/bin/sleep", "1000000000"]' --change 'CMD []' "$container" "$1" >/dev/null
  docker rm "$container" >/dev/null
  docker push -q "$1" >/dev/null
}

start_containerd() { # PAUSE-IMAGE PODS
  mkdir -p "$home/cni"
  cat >"$home/containerd.toml" <<TOML
version = 2
root = "$home/containers"
state = "$home/running"
[grpc]
  address = "$socket"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "$1"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$home/cni"
TOML
  cat >"$home/cni/pods.conflist" <<JSON
{"cniVersion":"0.4.0","name":"pods","plugins":[
 {"type":"ptp","ipMasq":false,"ipam":{"type":"host-local","subnet":"$2","dataDir":"$home/addresses","routes":[{"dst":"0.0.0.0/0"}]}}]}
JSON
  start_process containerd containerd --config "$home/containerd.toml"
  wait_until_ready containerd 60 ctr --address "$socket" version
}

start_kubelet() { # ADDRESS
  echo "nameserver $1" >"$home/resolv.conf"
  cat >"$home/kubelet.yaml" <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $1
port: 10250
healthzBindAddress: $1
authentication: {anonymous: {enabled: false}, webhook: {enabled: false}, x509: {clientCAFile: $home/ca.crt}}
authorization: {mode: AlwaysAllow}
containerRuntimeEndpoint: unix://$socket
cgroupDriver: cgroupfs
enforceNodeAllocatable: []
evictionHard: {memory.available: 100Mi}
failSwapOn: false
makeIPTablesUtilChains: false
oomScoreAdj: 0
podLogsDir: $home/pod-logs
resolvConf: $home/resolv.conf
volumePluginDir: $home/volume-plugins
YAML
  start_process kubelet "$(programs kubelet)" --config "$home/kubelet.yaml" --kubeconfig "$home/kubeconfig" \
    --root-dir "$home/kubelet" --cert-dir "$home/kubelet-certs" --hostname-override node --node-ip "$1"
  wait_until_ready kubelet 120 node_is_ready
}

ask_api() { # METHOD PATH
  curl -fsS --max-time 10 --cacert "$home/certs/apiserver.crt" -H "Authorization: Bearer $(cat "$home/token")" -X "$1" \
    "$(sed -nE 's/.*"server":"([^"]*)".*/\1/p' "$home/kubeconfig")$2"
}
node_is_ready() { ask_api GET /api/v1/nodes/node | tr -d ' \n' | grep -q '"type":"Ready","status":"True"'; }

start() {
  local net pause
  install
  mkdir -p "$home"
  net=$(network)
  [ -e /var/lib/kubelet ] || touch "$home/first-kubelet"
  [ -s "$home/forwarding" ] || cat /proc/sys/net/ipv4/ip_forward >"$home/forwarding"
  ip address replace "198.19.$net.1/32" dev lo
  ip address replace "198.19.$net.200/32" dev lo
  [ -s "$home/api.crt" ] || certify
  pause=127.0.0.1:$(ports docker 2)/pause:1
  is_running containerd || push_pause "$pause"
  start_api "198.19.$net.1" 443 "$(ports kubernetes 2)" "198.19.$net.0/25" \
    --kubelet-client-certificate "$home/api.crt" --kubelet-client-key "$home/api.key" --kubelet-preferred-address-types InternalIP
  start_process kube-controller-manager "$(programs kube-controller-manager)" --kubeconfig "$home/kubeconfig" --leader-elect=false \
    --secure-port 0 --root-ca-file "$home/certs/apiserver.crt" --service-account-private-key-file "$home/accounts.key"
  start_process kube-scheduler "$(programs kube-scheduler)" --kubeconfig "$home/kubeconfig" --leader-elect=false --secure-port 0
  start_containerd "$pause" "198.18.$net.0/24"
  start_kubelet "198.19.$net.200"
  echo "TEST_CLUSTER_ADDRESS=198.19.$net.200"
  echo "TEST_CLUSTER_CONTAINERD=$socket"
}

tasks() { ctr --address "$socket" --namespace k8s.io tasks "$@"; }

# The kubelet takes pods and their networks down, while it is there; what is left then is killed.
end_pods() {
  local namespace task end=$((SECONDS + 30))
  if is_running kubelet && is_running kube-apiserver; then
    for namespace in $(ask_api GET /api/v1/namespaces | sed -nE 's/^ {8}"name": "(.*)",?$/\1/p'); do
      ask_api DELETE "/api/v1/namespaces/$namespace/pods?gracePeriodSeconds=1" >/dev/null 2>&1 || true
    done
    while [ -n "$(tasks list --quiet 2>/dev/null || true)" ] && [ $SECONDS -lt $end ]; do sleep 0.2; done
  fi
  stop_process kubelet 10
  while is_running containerd && [ -n "$(tasks list --quiet)" ] && [ $SECONDS -lt $((end + 10)) ]; do
    for task in $(tasks list --quiet); do
      tasks kill --signal SIGKILL "$task" || true
      tasks delete --force "$task" || true
    done >/dev/null 2>&1
  done
}

# Shims outlive a containerd that was killed; they name its socket.
end_shims() {
  local pid child
  for pid in $(grep -lzxF -- "$socket" /proc/[0-9]*/cmdline 2>/dev/null | cut -d/ -f3); do
    case $(cat "/proc/$pid/comm" 2>/dev/null) in containerd-shim*) ;; *) continue ;; esac
    for child in $(ps -o pid= --ppid "$pid"); do kill -KILL "$child" 2>/dev/null || true; done
    sleep 0.2
    kill -KILL "$pid" 2>/dev/null || true
  done
}

stop() {
  local net mounted address
  stop_process kube-controller-manager 10
  stop_process kube-scheduler 10
  end_pods
  stop_process kubelet 10
  stop_process containerd 20
  end_shims
  stop_api
  for mounted in $(findmnt -rno TARGET | grep -F "$home/" | sort -r); do umount -l "$mounted" || true; done
  find /sys/fs/cgroup -depth -type d -path '*/kubepods*' -exec rmdir {} + 2>/dev/null || true
  if [ -s "$RUNNER_TEST_DIR/cluster.network" ]; then
    net=$(network)
    for address in 1 200; do ip address del "198.19.$net.$address/32" dev lo 2>/dev/null || true; done
    if [ -s "$home/forwarding" ]; then cat "$home/forwarding" >/proc/sys/net/ipv4/ip_forward; fi
  fi
  if [ -e "$home/first-kubelet" ]; then
    rm -f /var/lib/kubelet/device-plugins/kubelet.sock
    rmdir /var/lib/kubelet/device-plugins /var/lib/kubelet 2>/dev/null || true
  fi
  find /var/log/containers -lname "$home/*" -delete 2>/dev/null || true
  rm -rf "$home" "$RUNNER_TEST_DIR/kubernetes.ports" "$RUNNER_TEST_DIR/cluster.network"
}

run "$@"
