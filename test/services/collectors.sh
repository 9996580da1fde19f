#!/usr/bin/env bash
# Two collectors of logs: the OpenTelemetry collector, built with Go from its modules, and rsyslog from Debian. Programs, not
# servers: a test starts its own with its own configuration.
. "$(dirname "$0")/common.sh"
version=0.165.0

build() {
  local core=go.opentelemetry.io/collector contrib=github.com/open-telemetry/opentelemetry-collector-contrib
  local work=$OUT.work
  mkdir "$work"
  cat >"$work/builder.yaml" <<YAML
dist: { name: otelcol, output_path: $work/otelcol, version: $version }
receivers:
  - gomod: $core/receiver/otlpreceiver v$version
  - gomod: $contrib/receiver/tcplogreceiver v$version
  - gomod: $contrib/receiver/syslogreceiver v$version
exporters:
  - gomod: $core/exporter/debugexporter v$version
YAML
  # GOTOOLCHAIN=auto lets an older Go fetch the one that the modules ask for.
  (
    export GOTOOLCHAIN=auto GOFLAGS=-buildvcs=false
    GOBIN=$work nice -n 10 go install "$core/cmd/builder@v$version"
    nice -n 10 "$work/builder" --config "$work/builder.yaml"
  )
  mv "$work/otelcol/otelcol" "$OUT/otelcol"
  rm -rf "$work"
}

install() {
  need_debian_packages rsyslog
  make_with_go otelcol-$version 'build the OpenTelemetry collector' build
}

start() {
  install
  echo "TEST_OTELCOL=$RUNNER_TEST_CACHE/otelcol-$version/otelcol"
  echo "TEST_RSYSLOG=$(command -v rsyslogd || echo /usr/sbin/rsyslogd)"
}

stop() { :; }

run "$@"
