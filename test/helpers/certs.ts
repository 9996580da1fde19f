import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';

const keys = new URL('../../fixtures/keys/', import.meta.url).pathname;

/** The keys of the fixtures below `directory`, laid out as a runner has them. Out: that directory, for CERTS_DIR. */
export const layOutCerts = (directory: string): string => {
  const copies = {
    'ssh-privatekey': 'message/encryption',
    'ssh-publickey': 'message/encryption',
    'ssh-passphrase': 'message/passphrase',
    rmq_: 'queues/signing',
  };
  for (const [name, folder] of Object.entries(copies)) {
    mkdirSync(join(directory, folder), { recursive: true });
    cpSync(join(keys, name), join(directory, folder, name));
  }
  return directory;
};
