import { rows } from '../option-rows.ts';

/** Where work comes from. */
export const queueOptions = rows({
  amqpUrls: {
    env: 'AMQP_URL',
    type: 'urls',
    schemes: ['amqp', 'amqps'],
    default: '',
    secret: true,
    meaning:
      'RabbitMQ: amqp://user:password@host:5672/vhost, the vhost percent-encoded. $VAR is expanded; several, comma separated, get a connection each.',
  },
  amqpMgtUrls: {
    env: 'AMQP_MGT_URL',
    type: 'urls',
    schemes: ['http', 'https'],
    default: '',
    secret: true,
    meaning:
      'Management API that lists the queues, one for each AMQP_URL. Where not given: its host, user and password, its port + 10000; https for amqps.',
  },
  amqpQueues: {
    env: 'AMQP_QUEUES',
    type: 'list',
    value: 'NAME,…',
    default: '',
    meaning: 'Queues to serve where no management API can be asked.',
  },
  queueRoot: {
    env: 'QUEUE_ROOT',
    type: 'path',
    default: '',
    meaning: 'Directory of queues: each subdirectory is a queue, each file in it a message.',
  },
  queueMatch: {
    env: 'QUEUE_MATCH',
    type: 'pattern',
    default: '^(rmq|sqs|local|pubsub)_.*$',
    meaning: 'Serve queues whose short name matches.',
  },
  queueMismatch: {
    env: 'QUEUE_MISMATCH',
    type: 'pattern',
    default: '',
    meaning: 'Leave queues out whose short name matches.',
  },
  maxAttempts: {
    env: 'MAX_ATTEMPTS',
    type: 'integer',
    default: '3',
    min: '1',
    meaning: 'Attempts that an experiment gets in all, on every runner, before it becomes a dead letter.',
  },
  unplacedAfterMs: {
    env: 'UNPLACED_AFTER',
    type: 'duration',
    default: '24h',
    meaning: 'A request that no runner has room or an interpreter for becomes a dead letter when it is this old.',
  },
  leaseMs: {
    env: 'LEASE',
    type: 'duration',
    default: '60s',
    min: '10s',
    meaning: 'How long work stays with a runner that is not heard of, before another one starts it.',
  },
  sqsCerts: {
    env: 'SQS_CERTS',
    type: 'path',
    default: '',
    meaning:
      'AWS SQS: directory with one subdirectory of credentials and config for each account. Where not given, the AWS chain (environment, role) serves when it is the only source of work, or with AWS_ENDPOINT_URL_SQS.',
  },
  sqsTimeoutMs: {
    env: 'SQS_TIMEOUT',
    type: 'duration',
    default: '15s',
    min: '1s',
    meaning: 'Time limit of one SQS call, beside the time that a long poll is asked to take.',
  },
  pubsubCerts: {
    env: 'PUBSUB_CERTS',
    type: 'path',
    default: '',
    meaning: 'Google Pub/Sub: directory of service account files (*.json), which may come and go.',
  },
  pubsubProject: {
    env: 'PUBSUB_PROJECT',
    type: 'text',
    value: 'PROJECT',
    default: '',
    meaning: 'Google Pub/Sub: project to serve with application default credentials.',
  },
});
