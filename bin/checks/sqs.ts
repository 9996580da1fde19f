import type { Options } from '../../lib/config/options.ts';
import { messageOf } from '../../lib/errors.ts';
import { createSqsAccount } from '../../lib/queues/sqs/account.ts';
import { configuredAccounts, type FoundAccount } from '../../lib/queues/sqs/credentials.ts';
import { listQueues } from '../../lib/queues/sqs/discovery.ts';
import { faultOf } from '../../lib/queues/sqs/faults.ts';
import { plural } from '../../lib/telemetry/person-format.ts';
import type { Finding } from './check.ts';

const remedies: Readonly<Partial<Record<ReturnType<typeof faultOf>, string>>> = {
  denied:
    'look at the keys, and allow ListQueues, ReceiveMessage, ChangeMessageVisibility, DeleteMessage, SendMessage, GetQueueUrl and GetQueueAttributes on the queues, CreateQueue and DeleteQueue on studioml_lease_* and *_dead',
  transient:
    'look whether the region is right and its SQS can be reached from here; AWS_ENDPOINT_URL_SQS names another',
};

const serves = ({ queueMatch, queueMismatch }: Options, name: string): boolean =>
  queueMatch.test(name) && !queueMismatch?.test(name);

const checkAccount = async (found: FoundAccount, options: Options, signal: AbortSignal): Promise<Finding> => {
  const account = createSqsAccount({
    label: found.label,
    client: found.createClient(),
    timeoutMs: options.sqsTimeoutMs,
    emit: () => undefined,
  });
  try {
    const { work } = await listQueues(account, signal);
    const matching = [...work.keys()].filter(name => serves(options, name));
    const told = `account ${found.label} lists ${plural(work.size, 'queue')}, matching: ${String(matching.length)}`;
    const fifo = matching.filter(name => name.endsWith('.fifo'));
    if (fifo.length === 0) return { status: 'ok', found: told };
    return {
      status: 'warning',
      found: `${told}; ${fifo.join(', ')} can not be served`,
      expected: 'standard queues: a FIFO queue keeps an order that work which is tried again can not keep',
    };
  } catch (error) {
    signal.throwIfAborted();
    return {
      status: 'failure',
      found: `account ${found.label}: ${messageOf(error)}`,
      expected: 'a list of the queues',
      remedy: remedies[faultOf(error)] ?? 'look at the credentials and the config of that account',
    };
  } finally {
    account.close();
  }
};

/** Whether each account of SQS lists its queues: the worst of what was found, with the rest beside it. */
export const checkSqs = async (options: Options, signal: AbortSignal): Promise<Finding> => {
  const where = options.sqsCerts;
  try {
    const { accounts, faults } = await configuredAccounts(where);
    if (accounts.length === 0 || faults.length > 0) {
      return {
        status: 'failure',
        found: faults.join('; ') || `no account in ${where ?? 'the environment'}`,
        expected: 'subdirectories with the AWS files credentials and config, profile default, with a region',
        remedy: 'put them there, or correct SQS_CERTS',
      };
    }
    const findings = await Promise.all(accounts.map(account => checkAccount(account, options, signal)));
    const worst = ['failure', 'warning', 'ok'].flatMap(status => findings.filter(one => one.status === status));
    const [first = { status: 'ok', found: '' }] = worst;
    return { ...first, found: worst.map(({ found }) => found).join('; ') };
  } catch (error) {
    signal.throwIfAborted();
    return {
      status: 'failure',
      found: messageOf(error),
      expected: 'credentials of an AWS account and its region',
      remedy: where === undefined ? 'set AWS_REGION and credentials, or SQS_CERTS' : 'make it, or correct SQS_CERTS',
    };
  }
};
