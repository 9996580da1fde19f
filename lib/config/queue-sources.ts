import type { Environment } from './expand.ts';
import { flagOf, type OptionRow } from './option-rows.ts';
import { options } from './options.ts';

/** Options that name a place where work comes from. */
export const sources = ['amqpUrls', 'queueRoot', 'sqsCerts', 'pubsubCerts', 'pubsubProject'] as const;

/** Each of these says that there is an AWS account. AWS_REGION: a machine with a role has nothing else. */
const awsVariables = [
  'AWS_ACCESS_KEY_ID',
  'AWS_PROFILE',
  'AWS_WEB_IDENTITY_TOKEN_FILE',
  'AWS_CONTAINER_CREDENTIALS_RELATIVE_URI',
  'AWS_CONTAINER_CREDENTIALS_FULL_URI',
  'AWS_REGION',
  'AWS_DEFAULT_REGION',
];

const isSet = (value: unknown): boolean => (Array.isArray(value) ? value.length > 0 : value !== undefined);

/**
 * Whether SQS is served with the ordinary AWS chain: where no SQS_CERTS is given, and either AWS_ENDPOINT_URL_SQS asks for it
 * or nothing else but an AWS account names a place where work comes from. An account that is there for S3 only is left alone.
 */
export const servesAwsChain = (values: Readonly<Record<string, unknown>>, env: Environment): boolean => {
  if (isSet(values['sqsCerts'])) return false;
  if (env['AWS_ENDPOINT_URL_SQS']) return true;
  return !sources.some(name => isSet(values[name])) && awsVariables.some(name => env[name]);
};

const said = (row: OptionRow): string => `${flagOf(row)} (${row.env})`;

/** What is wrong where no option names a place that work comes from. */
export const sourcesFault = (values: Readonly<Record<string, unknown>>, env: Environment): string | undefined => {
  if (sources.some(name => isSet(values[name])) || servesAwsChain(values, env)) return undefined;
  const listed = sources.map(name => said(options[name]));
  return `no queues to serve: expected ${listed.join(', ')}, or an AWS account in the environment`;
};
