import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SQSClient } from '@aws-sdk/client-sqs';
import { fromIni } from '@aws-sdk/credential-provider-ini';
import { loadSharedConfigFiles } from '@smithy/core/config';

/** Credentials of one account as they were read. */
export interface FoundAccount {
  readonly label: string;
  /** Changes with what was read. */
  readonly version: string;
  readonly createClient: () => SQSClient;
}

const profile = 'default';
/** Each queue that is waited on holds a connection, and calls must not stand in line behind them. */
const requestHandler = { httpAgent: { maxSockets: 10_000 }, httpsAgent: { maxSockets: 10_000 } };

const readOne = async (directory: string, label: string): Promise<FoundAccount> => {
  const filepath = join(directory, 'credentials');
  const configFilepath = join(directory, 'config');
  const version = `${await readFile(filepath, 'utf8')}\n${await readFile(configFilepath, 'utf8')}`;
  const { configFile } = await loadSharedConfigFiles({ filepath, configFilepath, ignoreCache: true });
  const region = configFile[profile]?.['region'];
  if (!region) throw new Error(`no region for profile ${profile} [file=${configFilepath}]`);
  return {
    label,
    version,
    createClient: () =>
      new SQSClient({
        region,
        credentials: fromIni({ profile, filepath, configFilepath, ignoreCache: true }),
        requestHandler,
      }),
  };
};

/** What a look at the directory of credentials found; an account that can't be read is a fault in words. */
export interface Accounts {
  readonly accounts: readonly FoundAccount[];
  readonly faults: readonly string[];
}

/**
 * One subdirectory an account, with the AWS files `credentials` and `config`. Names that begin with a dot are how Kubernetes
 * swaps a mounted secret. Source: spec "AWS SQS".
 */
export const readAccounts = async (root: string): Promise<Accounts> => {
  const names = (await readdir(root)).filter(name => !name.startsWith('.')).sort();
  const accounts: FoundAccount[] = [];
  const faults: string[] = [];
  for (const name of names) {
    try {
      accounts.push(await readOne(join(root, name), name));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') continue;
      faults.push(`credentials can't be used [account=${name}]: ${(error as Error).message}`);
    }
  }
  return { accounts, faults };
};

/** The one account of the ordinary AWS chain: environment, profile, role. AWS_DEFAULT_REGION is what the Python tools read. */
export const chainAccount = async (): Promise<Accounts> => {
  const named = process.env['AWS_REGION'] || process.env['AWS_DEFAULT_REGION'];
  const createClient = () => new SQSClient({ requestHandler, ...(named ? { region: named } : {}) });
  const client = createClient();
  try {
    const label = await client.config.region();
    return { accounts: [{ label, version: '', createClient }], faults: [] };
  } finally {
    client.destroy();
  }
};

/** The accounts in SQS_CERTS; undefined: the chain's. */
export const configuredAccounts = (certs: string | undefined): Promise<Accounts> =>
  certs === undefined ? chainAccount() : readAccounts(certs);
