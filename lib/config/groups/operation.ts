import { rows } from '../option-rows.ts';

/** How the runner is watched, steered and stopped. */
export const operationOptions = rows({
  events: {
    env: 'EVENTS',
    type: 'list',
    value: 'SINK,…',
    default: '-',
    meaning:
      'Where events go, one JSON object a line: - is stdout (for people, where that is a terminal), a path is a file, tcp://host:port, http(s)://… in batches, syslog://host:port (TCP, or syslog+udp://), else a pino transport package with its options: pino-loki?host=http://loki:3100.',
  },
  debug: {
    env: 'DEBUG',
    type: 'boolean',
    default: 'false',
    meaning: 'Show events of level debug too, and keep the directories of attempts.',
  },
  drainTimeoutMs: {
    env: 'DRAIN_TIMEOUT',
    type: 'duration',
    default: '0s',
    meaning: 'When the runner is stopped: time for running experiments to finish by themselves.',
  },
  terminationGraceMs: {
    env: 'TERMINATION_GRACE',
    type: 'duration',
    default: '60s',
    meaning: 'Time between SIGTERM and SIGKILL when an experiment is stopped.',
  },
  stopUploadMs: {
    env: 'STOP_UPLOAD',
    type: 'duration',
    default: '60s',
    meaning: 'When the runner is stopped: time for the last checkpoint of an experiment.',
  },
  limitTasks: {
    env: 'LIMIT_TASKS',
    type: 'integer',
    default: '0',
    min: '0',
    meaning: 'Take no more than this many experiments, finish them and exit; 0: no limit.',
  },
  limitIdleDurationMs: {
    env: 'LIMIT_IDLE_DURATION',
    type: 'duration',
    default: '0s',
    meaning: 'Exit when idle for this long; 0s: never.',
  },
  limitIntervalMs: {
    env: 'LIMIT_INTERVAL',
    type: 'duration',
    default: '5m',
    meaning: 'How often it is looked at whether the runner is idle; at least as often as LIMIT_IDLE_DURATION.',
  },
  k8sNamespace: {
    env: 'K8S_NAMESPACE',
    type: 'text',
    value: 'NAME',
    default: 'default',
    meaning: 'In a cluster: namespace of the ConfigMaps whose member STATE says whether to run.',
  },
  k8sConfigmap: {
    env: 'K8S_CONFIGMAP',
    type: 'text',
    value: 'NAME',
    default: 'studioml-go-runner',
    meaning: 'Name of the ConfigMap for all runners. One named after the host goes before it.',
  },
  promAddress: {
    env: 'PROM_ADDRESS',
    type: 'text',
    value: 'HOST:PORT',
    default: ':9090',
    meaning:
      'HTTP address of a running runner: metrics, health, how much work there is, and what `runner why`, `tail` and `cancel` ask.',
  },
  slackHook: {
    env: 'SLACK_HOOK',
    type: 'text',
    value: 'URL',
    default: '',
    secret: true,
    meaning: 'Slack webhook that is told when experiments start and end, one message a second at most.',
  },
  slackRoom: {
    env: 'SLACK_ROOM',
    type: 'text',
    value: 'ROOM',
    default: '',
    meaning:
      'Channel or user of Slack to tell of experiments whose request names none (config.runner.slack_destination). Where not given: what the hook is for.',
  },
  cpuProfile: {
    env: 'CPU_PROFILE',
    type: 'path',
    default: '',
    meaning:
      'File for a CPU profile of the runner, written when it ends (.cpuprofile, for the developer tools of browsers).',
  },
  logxi: {
    env: 'LOGXI',
    type: 'text',
    value: 'LEVELS',
    default: '',
    meaning:
      'Least level of events, as the Go runner has it: *=DBG, *=WRN (TRC, DBG, INF, WRN, ERR, OFF). DEBUG shows all, whatever it says.',
  },
  logxiFormat: {
    env: 'LOGXI_FORMAT',
    type: 'text',
    value: 'FORMAT',
    default: '',
    meaning:
      'JSON: JSON lines on a terminal too. The other formats of the Go runner (happy, text, with their settings) are what a terminal gets anyway.',
  },
});
