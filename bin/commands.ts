import type { OptionName } from '../lib/config/options.ts';

/** A command: gets what follows its name, resolves with the exit code. */
export type Command = (argv: readonly string[]) => Promise<number>;

export interface CommandRow {
  /** What may follow the name, for its usage line. */
  readonly usage: string;
  readonly summary: string;
  /** The options of the table that have a meaning for it: true for all. It takes none of them where that is false. */
  readonly options: boolean | readonly OptionName[];
  /** Flags of its own, with what they mean. */
  readonly flags?: readonly (readonly [flag: string, meaning: string])[];
  /** A line that somebody could type. */
  readonly example: string;
  /** What its exit codes say, where that is not what all say. */
  readonly exits?: readonly (readonly [code: string, meaning: string])[];
  /** Each command is a file of its own, loaded when it is asked for. */
  readonly load: () => Promise<Command>;
}

const brokers: readonly OptionName[] = [
  ...(['amqpUrls', 'amqpMgtUrls', 'queueRoot', 'sqsCerts', 'sqsTimeoutMs', 'pubsubCerts', 'pubsubProject'] as const),
];
const runnerAddress: readonly OptionName[] = ['promAddress', 'statusToken'];

export const commands = {
  serve: {
    usage: '[options]',
    summary: 'Serve the configured queues. This is what runs where no command is named.',
    options: true,
    example: 'AMQP_URL=amqp://user:password@broker/%2f runner --max-cores 4',
    exits: [
      ['0', 'everything was settled or given back in order'],
      ['1', 'it could not start, or something was left undone'],
    ],
    load: async () => (await import('./serve.ts')).serve,
  },
  demo: {
    usage: '',
    summary: 'Run a few experiments in a temporary directory and show what came out. Needs no service and no option.',
    options: false,
    example: 'runner demo',
    exits: [
      ['0', 'every experiment ended as it should; one of them has to fail'],
      ['1', 'one did not'],
    ],
    load: async () => (await import('./demo.ts')).demo,
  },
  replay: {
    usage: 'FILE… [--dry-run] [--now] [--store STORE=URL]… [options]',
    summary: 'Feed recorded messages through the runner and print one line of outcome for each.',
    options: true,
    flags: [
      ['--dry-run', 'Stop before anything is executed.'],
      ['--now', 'Measure lifetimes by the clock, not from when a message was recorded.'],
      [
        '--store STORE=URL',
        'Use the store at URL for artifacts of STORE: s3://HOST:PORT=s3 server or directory of buckets (http://…, file:///…), or file:///DIRECTORY=file:///DIRECTORY.',
      ],
    ],
    example: 'runner replay recording.ndjson --dry-run --clear-text-messages',
    exits: [
      ['0', 'every message was accepted'],
      ['1', 'at least one was not'],
    ],
    load: async () => (await import('./replay.ts')).replay,
  },
  check: {
    usage: '[--json] [options]',
    summary: 'Look whether this machine, its tools and the configured services are fit for the runner.',
    options: true,
    flags: [['--json', 'Print one JSON object a line.']],
    example: 'runner check --queue-root /srv/queues --json',
    exits: [
      ['0', 'nothing failed; there may be warnings'],
      ['1', 'at least one check failed'],
    ],
    load: async () => (await import('./check.ts')).check,
  },
  submit: {
    usage: 'DIRECTORY --queue QUEUE --store STORE [--follow] [options] [-- ARGUMENT…]',
    summary:
      'Pack a workspace, upload it, and put a request for it on a queue of RabbitMQ, SQS, Pub/Sub or a directory, as the client does. What follows -- are the arguments of the program.',
    options: [...brokers, 'statusToken'],
    flags: [
      ['--queue QUEUE', 'Its short name. It is made where it is not there, but for one of SQS.'],
      [
        '--store STORE',
        'Where the workspace and the results are: http(s)://KEY:SECRET@HOST/BUCKET for S3, gs://BUCKET, or a directory /DIR/BUCKET. Default: SUBMIT_STORE',
      ],
      [
        '--service-account FILE',
        "With gs://: the account's JSON, which the request carries. Where not given: application default credentials, here and on the runner (ALLOW_RUNNER_CREDENTIALS).",
      ],
      ['--database-bucket NAME', 'Bucket of the metadata store. Default: that of the store'],
      ['--filename FILE', 'Program in the workspace. Default: main.py'],
      ['--python VERSION', 'Python that it needs. Default: 3'],
      ['--requirement LINE', 'A requirement for pip. May be given several times.'],
      ['--requirements FILE', 'A file of them.'],
      ['--cpus, --gpus, --ram, --hdd, --gpu-mem', 'What it needs. Default: 1, 0, 1gb, 1gb, 0'],
      ['--set NAME=VALUE', 'A variable of its environment. May be given several times.'],
      ['--project NAME', 'Its project.'],
      ['--key KEY', 'Its key. Default: made of the time and a UUID'],
      ['--max-duration, --lifetime', 'How long a run may take, and when it is too late to start one. Default: 4h, 96h'],
      ['--seal FILE', "Seal it for the cluster's public key (ssh-publickey); needs --sign."],
      ['--sign FILE', "Sign it with a sender's private key (PREFIX.sender.pem)."],
      ['--follow', 'Show how it stands and what it prints, and end with its exit code; with 1 where it never runs.'],
      ['--runner URL', 'With --follow: the HTTP address of the runner, for output as it comes.'],
      ['--json', 'Print JSON.'],
    ],
    example:
      'runner submit ./train --queue rmq_team --store http://key:secret@minio:9000/studio --follow -- --epochs 10',
    exits: [
      ['0', 'it is on the queue'],
      ['1', 'it could not be sent'],
      ['with --follow', 'that of the experiment; 1 where it never runs'],
    ],
    load: async () => (await import('./submit.ts')).submit,
  },
  record: {
    usage: '--queue QUEUE [options]',
    summary:
      'Copy the messages that lie on a queue of RabbitMQ or a directory to a recording on stdout, for replay. Nothing is consumed. It holds what the messages hold, secrets too.',
    options: ['amqpUrls', 'queueRoot'],
    flags: [['--queue QUEUE', 'Its short name.']],
    example: 'runner record --queue rmq_team > recording.ndjson',
    load: async () => (await import('./record.ts')).record,
  },
  keys: {
    usage: 'cluster|sender|response [--queue-prefix PREFIX] [--out DIR] [--json]',
    summary:
      'Make keys where the runner looks for them, and say what each file is for and who gets it. Nothing is written over.',
    options: false,
    flags: [
      ['cluster', 'The pair that requests are sealed for, 4096 bits, and its passphrase.'],
      ['sender', 'The pair that a sender signs requests with.'],
      ['response', 'The pair that a listener opens reports with.'],
      ['--queue-prefix PREFIX', 'Of a sender or a listener: the beginning of the names of its queues. Default: rmq_'],
      ['--out DIR', 'Where the directories of keys are made. Default: CERTS_DIR, else ./certs'],
      ['--json', 'Print one JSON object.'],
    ],
    example: 'runner keys cluster && runner keys sender --queue-prefix rmq_team',
    load: async () => (await import('./keys.ts')).keys,
  },
  dead: {
    usage: 'list | show ID | requeue ID… | drop ID… [--queue QUEUE] [options]',
    summary:
      'Look after dead letters: messages that no run is tried of any more. A message that is requeued starts anew, with a fresh count of attempts.',
    options: [...brokers, 'amqpQueues'],
    flags: [
      ['--queue QUEUE', 'Only those of this work queue.'],
      ['--all', 'With requeue, drop and --queue: every one of the queue.'],
      ['--keep-count', 'With requeue: keep count and history; one more attempt is made.'],
      ['--raw', 'With show: print the message as it is, credentials included.'],
      ['--json', 'Print one JSON object a line.'],
    ],
    example: 'runner dead requeue --queue rmq_team --all --amqp-url amqp://user:password@broker/%2f',
    exits: [
      ['0', 'it is done'],
      ['1', 'a dead letter is not there, or a broker refuses'],
    ],
    load: async () => (await import('./dead.ts')).dead,
  },
  why: {
    usage: 'QUEUE [--runner URL] [--json] [options]',
    summary: 'Ask a running runner what a queue waits for, with the numbers. No message is taken.',
    options: runnerAddress,
    flags: [
      ['--runner URL', 'Its HTTP address; where not given, PROM_ADDRESS on this machine.'],
      ['--json', 'Print JSON.'],
    ],
    example: 'runner why rmq_team --runner http://worker-3:9090',
    exits: [
      ['0', 'the runner did and told what it was asked'],
      ['1', 'no runner answers, or it refuses'],
    ],
    load: async () => (await import('./why.ts')).why,
  },
  tail: {
    usage: 'KEY [--runner URL] [options]',
    summary: 'Show what an experiment on a running runner prints, from its beginning, until it ends.',
    options: runnerAddress,
    flags: [['--runner URL', 'Its HTTP address; where not given, PROM_ADDRESS on this machine.']],
    example: 'runner tail 1530054414_9a1f --runner http://worker-3:9090',
    exits: [
      ['0', 'the runner did and told what it was asked'],
      ['1', 'no runner answers, or it refuses'],
    ],
    load: async () => (await import('./tail.ts')).tail,
  },
  cancel: {
    usage: 'KEY [--runner URL] [--json] [options]',
    summary:
      'Stop an experiment on a running runner, as its user would stop it: what it made is stored, its message is acknowledged.',
    options: runnerAddress,
    flags: [
      ['--runner URL', 'Its HTTP address; where not given, PROM_ADDRESS on this machine.'],
      ['--json', 'Print JSON.'],
    ],
    example: 'runner cancel 1530054414_9a1f --runner http://worker-3:9090',
    exits: [
      ['0', 'the runner did and told what it was asked'],
      ['1', 'no runner answers, or it refuses'],
    ],
    load: async () => (await import('./cancel.ts')).cancel,
  },
  completion: {
    usage: 'bash|zsh|fish',
    summary: 'Print what makes a shell complete commands and options.',
    options: false,
    flags: [['bash, zsh, fish', 'The shell.']],
    example: 'source <(runner completion bash)',
    load: async () => (await import('./completion.ts')).completion,
  },
} as const satisfies Readonly<Record<string, CommandRow>>;

export type CommandName = keyof typeof commands;

export const isCommand = (name: string | undefined): name is CommandName =>
  name !== undefined && Object.hasOwn(commands, name);
