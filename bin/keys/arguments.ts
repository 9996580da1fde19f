import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { messageOf, OptionsError } from '../../lib/errors.ts';

export const kinds = ['cluster', 'sender', 'response'] as const;
export type KeysKind = (typeof kinds)[number];

/** What `runner keys` was asked for. */
export interface KeysWanted {
  readonly kind: KeysKind;
  /** Beginning of the names of the queues that the keys are for; '' for the cluster's. */
  readonly prefix: string;
  /** What CERTS_DIR is for the runner. Absolute. */
  readonly certsDir: string;
  readonly json: boolean;
}

/** A prefix names a file, and the runner passes over some names. */
const prefixFault = (prefix: string): string | undefined => {
  if (/^[A-Za-z0-9_-][\w.-]{0,199}$/.test(prefix) && prefix !== 'info') return undefined;
  return `--queue-prefix: found "${prefix}", expected the beginning of queues' names: letters, digits, _ - and ., not "info"`;
};

/**
 * Errors: OptionsError with everything that is wrong.
 * @param argv what follows `keys`
 */
export const readKeysArguments = (
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): KeysWanted => {
  let parsed;
  try {
    parsed = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: { 'queue-prefix': { type: 'string' }, out: { type: 'string' }, json: { type: 'boolean' } },
    });
  } catch (error) {
    // The first sentence says what is wrong, the others speak of Node's own syntax.
    const [what = ''] = messageOf(error).split('. ');
    throw new OptionsError([`keys: ${what}; runner keys --help lists the options`]);
  }
  const { positionals, values } = parsed;
  const faults: string[] = [];
  const kind = kinds.find(one => one === positionals[0]);
  if (kind === undefined || positionals.length > 1) {
    faults.push(
      `keys: found ${positionals.length === 0 ? 'nothing' : `"${positionals.join(' ')}"`}, expected one of ${kinds.join(', ')}`,
    );
  }
  const given = values['queue-prefix'];
  if (kind === 'cluster' && given !== undefined) faults.push('--queue-prefix: a cluster has one pair for all queues');
  const prefix = kind === 'cluster' ? '' : (given ?? 'rmq_');
  const fault = kind === 'cluster' ? undefined : prefixFault(prefix);
  if (fault !== undefined) faults.push(fault);
  if (kind === undefined || faults.length > 0) throw new OptionsError(faults);
  return {
    kind,
    prefix,
    certsDir: resolve(values.out ?? (env['CERTS_DIR']?.trim() || './certs')),
    json: values.json ?? false,
  };
};
