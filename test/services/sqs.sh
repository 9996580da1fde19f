#!/usr/bin/env bash
# SQS: ElasticMQ from Maven Central, which answers messages as SQS does, and moto, which lists queues in pages as SQS does.
# Any credentials, region us-east-1.
. "$(dirname "$0")/common.sh"
elasticmq=1.7.1
moto=5.2.5
home=$RUNNER_TEST_DIR/sqs

build_elasticmq() {
  local project=$OUT.pom
  mkdir "$project"
  cat >"$project/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>tests</groupId><artifactId>tests</artifactId><version>1</version><dependencies><dependency>
<groupId>org.elasticmq</groupId><artifactId>elasticmq-server_2.13</artifactId><version>$elasticmq</version>
</dependency></dependencies></project>
POM
  (cd "$project" && nice -n 10 mvn -q -B dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$OUT")
  rm -rf "$project"
}

build_moto() {
  "$(need_python python3.11 python3)" -m venv "$OUT"
  "$OUT/bin/pip" install --quiet --disable-pip-version-check "moto[sqs]==$moto" flask flask-cors
}

install() {
  need_debian_packages curl
  if [ ! -d "$RUNNER_TEST_CACHE/elasticmq-$elasticmq" ]; then
    command -v mvn >/dev/null || need_debian_packages maven
  fi
  command -v java >/dev/null || need_debian_packages default-jre-headless
  make_once elasticmq-$elasticmq build_elasticmq
  make_once moto-$moto build_moto
}

start() {
  local port
  install
  mkdir -p "$home"
  port=$(ports sqs 2)
  cat >"$home/elasticmq.conf" <<CONF
include classpath("application.conf")
node-address { protocol = http, host = "127.0.0.1", port = $port, context-path = "" }
rest-sqs { enabled = true, bind-port = $port, bind-hostname = "127.0.0.1", sqs-limits = strict }
rest-stats { enabled = false }
queues { }
aws { region = us-east-1, accountId = 000000000000 }
CONF
  start_process elasticmq java -XX:+UseSerialGC -Xms64m -Xmx256m -Dconfig.file="$home/elasticmq.conf" \
    -cp "$RUNNER_TEST_CACHE/elasticmq-$elasticmq/*" org.elasticmq.server.Main
  # An environment may be moved as long as it is used through its python.
  start_process moto "$RUNNER_TEST_CACHE/moto-$moto/bin/python" -m moto.server -H 127.0.0.1 -p "$((port + 1))"
  wait_until_ready elasticmq 90 answers "http://127.0.0.1:$port/?Action=ListQueues"
  wait_until_ready moto 90 answers "http://127.0.0.1:$((port + 1))/moto-api/"
  echo "TEST_SQS_URL=http://127.0.0.1:$port"
  echo "TEST_SQS_PAGES_URL=http://127.0.0.1:$((port + 1))"
}

stop() {
  stop_process elasticmq 10
  stop_process moto 10
  rm -rf "$home" "$RUNNER_TEST_DIR/sqs.ports"
}

run "$@"
