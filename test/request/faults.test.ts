import t from 'tap';
import type { AttemptError } from '../../lib/errors.ts';
import { parseRequest } from '../../lib/request/parse-request.ts';

/** The faults of a message, one a line. */
const faultsOf = (message: object): readonly string[] => {
  try {
    parseRequest(message as Record<string, unknown>);
  } catch (error) {
    const { code, message } = error as AttemptError;
    if (code !== 'not-a-request') throw error;
    return message.replace(/^not a request: /, '').split('\n');
  }
  return [];
};
const experiment = (members: object) => ({ experiment: { key: 'k', ...members } });
const config = (members: object) => ({ experiment: { key: 'k' }, config: members });
const artifact = (members: object) => experiment({ artifacts: { a: members } });

const size = 'expected e.g. 3gb, 512mib, 0';
const duration = 'expected e.g. 90s, 20m, 1h30m, 2d';
const count = 'expected e.g. 0, 1, 2';
const label =
  'its label is not a safe directory name; expected a label without "/" that is not empty, ".", ".." or "_runner"';
const rows: [object, string][] = [
  [{}, "experiment: missing; expected an object with the experiment's key"],
  [{ experiment: 5 }, "experiment: 5 is not an object; expected an object with the experiment's key"],
  [{ experiment: {} }, 'experiment.key: missing; expected a string that names the experiment'],
  [experiment({ key: '' }), 'experiment.key: missing; expected a string that names the experiment'],
  [experiment({ key: 5 }), 'experiment.key: 5 is not a string; expected a string'],
  [
    { experiment: { key: 'k' }, config: [] },
    'config: a list is not an object; expected an object with env, pip, storage …',
  ],
  [experiment({ filename: true }), 'experiment.filename: true is not a string; expected a string'],
  [
    experiment({ filename: 'a\0b' }),
    'experiment.filename: the value (not shown) is not free of NUL characters; expected a string without them',
  ],
  [
    experiment({ filename: '-m' }),
    'experiment.args: missing; expected a module as its first item, since filename is -m',
  ],
  [experiment({ args: '5' }), 'experiment.args: "5" is not a list; expected a list of strings'],
  [experiment({ args: ['a', 5] }), 'experiment.args[1]: 5 is not a string; expected a string'],
  [experiment({ args: [null] }), 'experiment.args[0]: nothing is not a string; expected a string'],
  [experiment({ pythonver: 'three' }), 'experiment.pythonver: "three" is not a Python version; expected e.g. 3, 3.11'],
  [experiment({ pythonver: -3 }), 'experiment.pythonver: -3 is not a Python version; expected e.g. 3, 3.11'],
  [experiment({ pythonenv: {} }), 'experiment.pythonenv: an object is not a list; expected a list of strings'],
  [experiment({ max_duration: 'long' }), `experiment.max_duration: "long" is not a duration; ${duration}`],
  [experiment({ max_duration: 60 }), `experiment.max_duration: 60 is not a duration; ${duration}`],
  [experiment({ max_duration: '0s' }), `experiment.max_duration: "0s" is not a duration above zero; ${duration}`],
  [config({ experimentLifetime: '5' }), `config.experimentLifetime: "5" is not a duration; ${duration}`],
  [
    experiment({ time_added: '2026' }),
    'experiment.time_added: "2026" is not a number of seconds; expected a number from 0 up',
  ],
  [
    experiment({ time_added: Infinity }),
    'experiment.time_added: Infinity is not a number of seconds; expected a number from 0 up',
  ],
  [
    experiment({ resources_needed: 'all' }),
    'experiment.resources_needed: "all" is not an object; expected an object with cpus, gpus, ram, hdd …',
  ],
  [
    experiment({ resources_needed: { ram: '3 gigs' } }),
    `experiment.resources_needed.ram: "3 gigs" is not a size; ${size}`,
  ],
  [experiment({ resources_needed: { hdd: -1 } }), `experiment.resources_needed.hdd: -1 is not a size; ${size}`],
  [
    experiment({ resources_needed: { gpuMem: [] } }),
    `experiment.resources_needed.gpuMem: a list is not a size; ${size}`,
  ],
  [
    experiment({ resources_needed: { cpus: 1.5 } }),
    `experiment.resources_needed.cpus: 1.5 is not a whole number; ${count}`,
  ],
  [
    experiment({ resources_needed: { gpus: -1 } }),
    `experiment.resources_needed.gpus: -1 is not a whole number; ${count}`,
  ],
  [
    experiment({ resources_needed: { gpuCount: 'two' } }),
    `experiment.resources_needed.gpuCount: "two" is not a whole number; ${count}`,
  ],
  [experiment({ author: {} }), 'experiment.author: an object is not a string; expected a string'],
  [experiment({ artifacts: [] }), 'experiment.artifacts: a list is not an object; expected an object'],
  [artifact([]), 'experiment.artifacts.a: a list is not an object; expected an object with bucket, key, qualified …'],
  [artifact({ mutable: 'yes' }), 'experiment.artifacts.a.mutable: "yes" is not true or false; expected true or false'],
  [artifact({ saveFrequency: '5s' }), `experiment.artifacts.a.saveFrequency: "5s" is not a whole number; ${count}`],
  [experiment({ artifacts: { '..': {} } }), `experiment.artifacts[".."]: ${label}`],
  [experiment({ artifacts: { 'a/b': {} } }), `experiment.artifacts["a/b"]: ${label}`],
  [experiment({ artifacts: { '': {} } }), `experiment.artifacts[""]: ${label}`],
  [experiment({ artifacts: { 'a\0': {} } }), `experiment.artifacts["a\\u0000"]: ${label}`],
  [experiment({ artifacts: { _runner: {} } }), `experiment.artifacts._runner: ${label}`],
  [experiment({ artifacts: { ['é'.repeat(128)]: {} } }), `experiment.artifacts["${'é'.repeat(40)}…"]: ${label}`],
  [config({ pip: 'six' }), 'config.pip: "six" is not a list; expected a list of strings'],
  [
    config({ env: { 'A=B': 'x' } }),
    'config.env["A=B"]: its name is not a name of a variable; expected one without "=" and NUL',
  ],
  [config({ env: { A: [] } }), 'config.env.A: a list is not a string; expected a string'],
  [config({ storage: 's3' }), 'config.storage: "s3" is not an object; expected an object'],
  [config({ storage: 'x'.repeat(99) }), `config.storage: "${'x'.repeat(40)}…" is not an object; expected an object`],
  [config({ storage: 'amqp://u:hunter2@h' }), 'config.storage: "amqp://h" is not an object; expected an object'],
];

for (const [message, fault] of rows) {
  t.test(fault.slice(0, 120), async t => {
    t.strictSame(faultsOf(message), [fault]);
  });
}

t.test('a secret is never in a fault', async t => {
  const secret = 'hunter2hunter2';
  const messages = [
    artifact({ credentials: secret }),
    artifact({ credentials: { aws: secret } }),
    artifact({ credentials: { aws: { access_key: secret } } }),
    artifact({ credentials: { jwt: { token: [secret] } } }),
    artifact({ credentials: { plain: { user: secret, password: 5 } } }),
    config({ env: { API_KEY: { [secret]: secret } } }),
    config({ env: { API_KEY: `${secret}\0` } }),
    experiment({ args: [`--password=${secret}\0`] }),
    experiment({ resources_needed: { ram: `http://u:${secret}@host` } }),
  ];
  for (const message of messages) {
    const faults = faultsOf(message);
    t.equal(faults.length, 1);
    t.notMatch(faults.join(), /hunter2/);
  }
  t.match(faultsOf(artifact({ credentials: { aws: { access_key: secret } } })), [
    'experiment.artifacts.a.credentials.aws.secret_access_key: missing; expected a string, or both empty for anonymous access',
  ]);
  t.match(faultsOf(artifact({ credentials: secret })), [/the value \(not shown\) is not an object/]);
});

t.test('every fault is told, up to a number that people read', async t => {
  t.equal(faultsOf({ experiment: { key: 5, args: 5, pythonver: 'x' }, config: { pip: 5 } }).length, 4);
  const many = faultsOf(experiment({ args: Array.from({ length: 100 }, (_, at) => at) }));
  t.equal(many.length, 21);
  t.equal(many.at(-1), 'and 80 more');
  const endless = experiment({ args: Array.from({ length: 100_001 }, () => '') });
  t.strictSame(faultsOf(endless), ['experiment.args: 100001 items; expected at most 100000']);
});
