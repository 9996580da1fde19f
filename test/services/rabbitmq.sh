#!/usr/bin/env bash
# A RabbitMQ node of its own with the management plugin, from Debian's package (3.10 in Debian 12).
# TEST_AMQP_CONSUMER_TIMEOUT_MS: how long the broker waits for an ack (60000), looked at once a second.
. "$(dirname "$0")/common.sh"
home=$RUNNER_TEST_DIR/rabbitmq

install() { need_debian_packages rabbitmq-server curl; }

# What the node and its tools are told by the environment. The wrappers in /usr/sbin drop it; the release's own scripts take it.
environment() {
  port=$(ports rabbitmq 4) # AMQP, management, distribution, epmd
  sbin=$(echo /usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin)
  export HOME=$home ERL_EPMD_PORT=$((port + 3)) ERL_EPMD_ADDRESS=127.0.0.1 ERL_CRASH_DUMP=$home/erl_crash.dump
  export RABBITMQ_NODENAME=test$port@localhost RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 RABBITMQ_NODE_PORT=$port
  export RABBITMQ_DIST_PORT=$((port + 2)) RABBITMQ_CONF_ENV_FILE=/dev/null RABBITMQ_CONFIG_FILE=$home/rabbitmq.conf
  export RABBITMQ_ADVANCED_CONFIG_FILE=$home/advanced.config RABBITMQ_ENABLED_PLUGINS_FILE=$home/enabled_plugins
  export RABBITMQ_MNESIA_BASE=$home/mnesia RABBITMQ_LOG_BASE=$home/log RABBITMQ_LOGS=-
}

start() {
  local port sbin
  install
  mkdir -p "$home"
  environment
  echo '[rabbitmq_management].' >"$home/enabled_plugins"
  # Timeouts are looked at once per channel tick, 60 s unless set, and only this older format takes the setting.
  echo '[{rabbit,[{channel_tick_interval,1000}]}].' >"$home/advanced.config"
  cat >"$home/rabbitmq.conf" <<CONF
consumer_timeout = ${TEST_AMQP_CONSUMER_TIMEOUT_MS:-60000}
management.tcp.ip = 127.0.0.1
management.tcp.port = $((port + 1))
management.rates_mode = none
vm_memory_high_watermark.absolute = 1GB
disk_free_limit.absolute = 100MB
log.console = true
log.console.level = warning
CONF
  export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='-kernel inet_dist_use_interface {127,0,0,1}'
  start_process epmd epmd -port "$ERL_EPMD_PORT" -address 127.0.0.1
  start_process rabbitmq "$sbin/rabbitmq-server"
  wait_until_ready rabbitmq 90 answers -u guest:guest "http://127.0.0.1:$((port + 1))/api/health/checks/port-listener/$port"
  echo "TEST_AMQP_URL=amqp://guest:guest@127.0.0.1:$port/%2f"
  echo "TEST_AMQP_MGT_URL=http://127.0.0.1:$((port + 1))"
}

# Down, its messages on disk: `start` brings it up again.
halt() { stop_process rabbitmq 30; }

# rabbitmqctl ARGUMENTS...
ctl() {
  local port sbin
  environment
  "$sbin/rabbitmqctl" -q "$@" >&2
}

stop() {
  stop_process rabbitmq 30
  stop_process epmd 5
  rm -rf "$home" "$RUNNER_TEST_DIR/rabbitmq.ports"
}

case ${1:-} in
halt) halt ;;
ctl) shift && ctl "$@" ;;
*) run "$@" ;;
esac
