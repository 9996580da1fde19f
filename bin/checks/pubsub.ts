import type { Options } from '../../lib/config/options.ts';
import { messageOf } from '../../lib/errors.ts';
import { listSubscriptions } from '../../lib/queues/pubsub/calls.ts';
import { configuredProjects, createPubsubAccount, type FoundProject } from '../../lib/queues/pubsub/clients.ts';
import { faultOf } from '../../lib/queues/pubsub/faults.ts';
import { plural } from '../../lib/telemetry/person-format.ts';
import type { Finding } from './check.ts';

const remedies: Readonly<Partial<Record<ReturnType<typeof faultOf>, string>>> = {
  denied:
    'give the account the roles Pub/Sub Viewer, Subscriber and Publisher, and Editor for studioml-lease-* and *_dead; PUBSUB_PROJECT needs application default credentials',
  transient: 'look whether pubsub.googleapis.com can be reached from here; PUBSUB_EMULATOR_HOST names another',
};

const checkProject = async (found: FoundProject, options: Options, signal: AbortSignal): Promise<Finding> => {
  const account = createPubsubAccount({ found, emit: () => undefined });
  try {
    const all = await account.call((clients, call) => listSubscriptions(clients, call), { signal });
    const names = all.map(({ name }) => (name ?? '').slice((name ?? '').lastIndexOf('/') + 1));
    const matching = names.filter(name => options.queueMatch.test(name) && !options.queueMismatch?.test(name));
    const counts = `${plural(all.length, 'subscription')}, matching: ${String(matching.length)}`;
    return { status: 'ok', found: `project ${found.label} lists ${counts}` };
  } catch (error) {
    signal.throwIfAborted();
    return {
      status: 'failure',
      found: `project ${found.label}: ${messageOf(error)}`,
      expected: 'a list of the subscriptions',
      remedy: remedies[faultOf(error)] ?? 'look at the project and its credentials',
    };
  } finally {
    account.close();
  }
};

/** Whether each project of Pub/Sub lists its subscriptions: the worst of what was found, with the rest beside it. */
export const checkPubsub = async (options: Options, signal: AbortSignal): Promise<Finding> => {
  const { pubsubCerts: certs, pubsubProject: named } = options;
  const remedy = 'put the files of service accounts there (*.json), or correct PUBSUB_CERTS';
  try {
    const { projects, faults } = await configuredProjects(certs, named);
    if (projects.length === 0 || faults.length > 0) {
      return { status: 'failure', found: faults.join('; ') || `no service account in ${certs ?? ''}`, remedy };
    }
    const findings = await Promise.all(projects.map(project => checkProject(project, options, signal)));
    const worst = ['failure', 'ok'].flatMap(status => findings.filter(one => one.status === status));
    const [first = { status: 'ok', found: '' }] = worst;
    return { ...first, found: worst.map(({ found }) => found).join('; ') };
  } catch (error) {
    signal.throwIfAborted();
    return { status: 'failure', found: messageOf(error), remedy };
  }
};
