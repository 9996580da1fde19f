import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { v1 } from '@google-cloud/pubsub';
import { GoogleAuth, JWT, PassThroughClient } from 'google-auth-library';
import { grpc } from 'google-gax';
import { messageOf } from '../../errors.ts';
import type { Emit } from '../../telemetry/events.ts';
import { createAccount, type Account } from '../account.ts';
import { faultOf } from './faults.ts';

/** The two halves of Pub/Sub for one project. */
export interface Clients {
  readonly project: string;
  readonly subscriber: v1.SubscriberClient;
  readonly publisher: v1.PublisherClient;
}

export type PubsubAccount = Account<Clients>;

/** One project as it was read. */
export interface FoundProject {
  readonly label: string;
  /** Changes with what was read. */
  readonly version: string;
  readonly createClients: () => Clients;
}

export interface Projects {
  readonly projects: readonly FoundProject[];
  /** What can't be used, in words. */
  readonly faults: readonly string[];
}

/** PUBSUB_EMULATOR_HOST names a server without TLS and credentials, as Google's libraries have it: nobody is looked for to ask as. */
const emulator = (projectId: string) => {
  const host = process.env['PUBSUB_EMULATOR_HOST'];
  if (!host) return {};
  const { hostname, port } = new URL(host.includes('://') ? host : `http://${host}`);
  return {
    servicePath: hostname,
    port: Number(port || 8085),
    sslCreds: grpc.credentials.createInsecure(),
    auth: new GoogleAuth({ projectId, authClient: new PassThroughClient() }),
  };
};

interface Key {
  readonly client_email: string;
  readonly private_key: string;
}

const scopes = ['https://www.googleapis.com/auth/pubsub'];

/** It signs its own tokens, which Pub/Sub takes: nobody has to be asked for one first. */
const serviceAccount = (projectId: string, { client_email: email, private_key: key }: Key) => {
  const authClient = new JWT({ email, key, scopes });
  authClient.useJWTAccessWithScope = true;
  return { auth: new GoogleAuth({ projectId, authClient }) };
};

/**
 * A client starts with its first call. Where it can't, since nobody tells credentials, the library throws that a second time where
 * nobody can catch it, which ends a process, and keeps the failure for ever (pubsub 6.3). Here it is an error of the call alone, and the next
 * call starts it anew.
 */
const startingAnew = <C extends v1.SubscriberClient | v1.PublisherClient>(client: C): C => {
  const start = client.initialize.bind(client);
  const started = client as { subscriberStub?: unknown; publisherStub?: unknown };
  client.initialize = async () => {
    const starting = start();
    try {
      return await starting;
    } catch {
      if (started.subscriberStub === starting) delete started.subscriberStub;
      if (started.publisherStub === starting) delete started.publisherStub;
      return {};
    }
  };
  return client;
};

/** @param key absent: application default credentials */
const createClients = (project: string, key?: Key): Clients => {
  const options = { projectId: project, ...(key ? serviceAccount(project, key) : {}), ...emulator(project) };
  return {
    project,
    subscriber: startingAnew(new v1.SubscriberClient(options)),
    publisher: startingAnew(new v1.PublisherClient(options)),
  };
};

const readOne = async (file: string, label: string): Promise<FoundProject> => {
  const version = await readFile(file, 'utf8');
  let key: Readonly<Record<string, unknown>>;
  try {
    key = JSON.parse(version) as Readonly<Record<string, unknown>>;
  } catch {
    // The parser's own words would show what is in the file.
    throw new Error('not JSON');
  }
  const { project_id: project, client_email, private_key } = key;
  if (typeof project !== 'string' || typeof client_email !== 'string' || typeof private_key !== 'string') {
    throw new Error('expected the file of a service account, with project_id, client_email and private_key');
  }
  return { label, version, createClients: () => createClients(project, { client_email, private_key }) };
};

/** One file a service account. Names that begin with a dot are how Kubernetes swaps a mounted secret. */
export const readProjects = async (root: string): Promise<Projects> => {
  const names = (await readdir(root)).filter(name => !name.startsWith('.') && name.endsWith('.json')).sort();
  const projects: FoundProject[] = [];
  const faults: string[] = [];
  for (const name of names) {
    try {
      projects.push(await readOne(join(root, name), name.replace(/\.json$/, '')));
    } catch (error) {
      faults.push(`credentials can't be used [file=${name}]: ${messageOf(error)}`);
    }
  }
  return { projects, faults };
};

/** A project with application default credentials. */
export const namedProject = (project: string): FoundProject => ({
  label: project,
  version: '',
  createClients: () => createClients(project),
});

/** PUBSUB_PROJECT, and those in PUBSUB_CERTS. */
export const configuredProjects = async (certs: string | undefined, named: string | undefined): Promise<Projects> => {
  const own = named === undefined ? [] : [namedProject(named)];
  if (certs === undefined) return { projects: own, faults: [] };
  const { projects, faults } = await readProjects(certs);
  return { projects: [...own, ...projects], faults };
};

export interface PubsubAccountSettings {
  readonly found: FoundProject;
  readonly emit: Emit;
}

/** Time limit of one call, ms. */
const timeoutMs = 15_000;

export const createPubsubAccount = ({ found, emit }: PubsubAccountSettings): PubsubAccount =>
  createAccount({
    kind: 'pubsub',
    label: found.label,
    client: found.createClients(),
    timeoutMs,
    emit,
    faultOf,
    destroy: ({ subscriber, publisher }) => {
      void Promise.allSettled([subscriber.close(), publisher.close()]);
    },
  });
