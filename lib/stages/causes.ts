import type { Cause } from '../model/outcome.ts';
import { settlementRules, type Rule } from './settlements.ts';

export interface CauseRow {
  /** What happened. */
  readonly meaning: string;
  /** What a person can do about it. */
  readonly remedy: string;
}

const seeBroker = 'nothing: it is tried again; where it goes on, look at the event that names the service';

/** Every cause that an attempt can end with, for people. The closed list: a cause without a row does not compile. */
export const causes: Readonly<Record<Cause, CauseRow>> = {
  completed: { meaning: 'it exited with 0 and its results are stored', remedy: 'nothing' },
  exited: { meaning: 'it exited with another code than 0', remedy: 'read output/output of the attempt' },
  killed: {
    meaning: 'a signal ended it that the runner did not send',
    remedy: 'read output/output; look for who killed it',
  },
  'out-of-memory': { meaning: 'it took more memory than there was', remedy: 'ask for more ram' },
  'out-of-disk': { meaning: 'it wrote more than it asked for, or the disk is full', remedy: 'ask for more hdd' },
  'max-duration': { meaning: 'its max_duration was over', remedy: 'ask for a longer max_duration' },
  cancelled: { meaning: 'its user cancelled it', remedy: 'nothing' },

  expired: {
    meaning: 'its experimentLifetime was over before it could start',
    remedy: 'send it again; more runners, or a longer experimentLifetime',
  },
  'artifact-missing': {
    meaning: 'an artifact that it needs is not in the store',
    remedy: 'upload the artifact, then requeue',
  },
  'artifact-invalid': {
    meaning: 'an artifact can not be unpacked, or would leave its directory',
    remedy: 'pack it anew, then requeue',
  },
  'access-denied': {
    meaning: 'a store refuses its credentials, or the runner may not use that place',
    remedy: 'correct the credentials; see FILE_ROOTS and ALLOW_ENV_SECRETS',
  },
  environment: {
    meaning: 'its requirements can not be installed',
    remedy: "read pip's own words in output/output; correct pythonenv",
  },
  'image-missing': { meaning: 'its container image is not there', remedy: 'push the image, then requeue' },
  'image-denied': { meaning: 'its container image is not trusted here', remedy: 'see IMAGE_ALLOW' },
  'no-such-program': { meaning: 'its filename is not in the workspace', remedy: 'correct experiment.filename' },

  'no-key': {
    meaning: 'it is sealed with a key that this runner does not hold',
    remedy: 'give a runner the key, or send it sealed for this cluster',
  },
  'no-interpreter': { meaning: 'no Python here agrees with its pythonver', remedy: 'install that Python on a runner' },
  'no-room-ever': {
    meaning: 'it asks for more than this machine has',
    remedy: 'ask for less, or start a larger runner',
  },
  'no-room': { meaning: 'it asks for more than is free now', remedy: '`runner why QUEUE` tells what it waits for' },
  duplicate: { meaning: 'another runner runs this experiment', remedy: 'nothing' },
  'already-done': { meaning: 'an earlier attempt of it ran to its end', remedy: 'nothing: it needs no second run' },

  'store-fault': { meaning: 'a store did not answer, or failed', remedy: seeBroker },
  'broker-fault': { meaning: 'the broker did not do what it was asked', remedy: seeBroker },
  'engine-fault': {
    meaning: 'the container engine failed, or the machine has no process or file left',
    remedy: seeBroker,
  },
  'gpu-fault': { meaning: 'a GPU failed', remedy: 'look at the card with nvidia-smi' },
  stopping: { meaning: 'the runner was stopped', remedy: 'nothing: another runner takes it' },
  'lease-lost': {
    meaning: 'the message went to another runner',
    remedy: 'nothing; where it happens often, look at the network and at LEASE',
  },
  'queue-deleted': { meaning: 'its queue was deleted', remedy: 'nothing' },
  'runner-died': {
    meaning: 'its attempts were started and no runner lived to end them',
    remedy: 'look at what it does to its machine, then requeue',
  },
  internal: { meaning: 'a fault of the runner itself', remedy: 'report it with the event' },

  malformed: { meaning: 'the message is no JSON', remedy: 'correct the sender; drop it' },
  'not-a-request': {
    meaning: 'the message is no StudioML request; it names every fault',
    remedy: 'correct the sender; drop it',
  },
  'too-large': { meaning: 'the message is larger than any request', remedy: 'correct the sender; drop it' },
  'clear-text-refused': {
    meaning: 'the request is not encrypted, and must be',
    remedy: 'seal it, or set CLEAR_TEXT_MESSAGES where everybody who can send is trusted',
  },
  unopenable: {
    meaning: 'the key is right and the content still does not open',
    remedy: 'correct the sender; drop it',
  },
  'bad-signature': { meaning: 'its signature is missing or wrong', remedy: 'find out who sent it' },
};

/** What becomes of the message, in words. */
const settled: Readonly<Record<Rule, string>> = {
  accept: 'acknowledged',
  release: 'given back, not counted; this runner leaves the queue alone for a growing delay',
  retry: 'counted and tried again up to `MAX_ATTEMPTS`, then a dead letter',
  reject: 'a dead letter at once: a second run would end the same',
  unplaced: 'given back behind the others, not counted, until `UNPLACED_AFTER` is over; then a dead letter',
  none: 'nothing: it is not ours any more',
};

/** docs/causes.md */
export const causesMarkdown = (): string => {
  const rows = Object.entries(causes).map(
    ([cause, { meaning, remedy }]) =>
      `| \`${cause}\` | ${meaning} | ${settled[settlementRules[cause as Cause]]} | ${remedy} |`,
  );
  return `# Causes

Every attempt ends with exactly one of these, the same word in events, dead letters and reports. \`npm run causes\` writes this
table.

<!-- prettier-ignore-start -->
| cause | what happened | the message | what to do |
|---|---|---|---|
${rows.join('\n')}
<!-- prettier-ignore-end -->
`;
};
