import { join } from 'node:path';
import type { Load } from './load.ts';
import type { openTransfers } from './transfers.ts';
import { totalBytes, writeFileOf } from './transfers.ts';

type Transfers = Awaited<ReturnType<typeof openTransfers>>;

/** Put an object of `totalBytes` into the store, for requests to bring in. */
export const storeLarge = async (place: Transfers): Promise<void> => {
  const source = join(place.directory, 'source');
  await writeFileOf(source, totalBytes);
  await place.shell(`$S5 cp '${source}' "$BUCKET/large" && rm '${source}'`);
};

/** Publish a request whose experiment brings in the large object and stores as much as a tar.gz. */
export const publishHeavy = async (load: Load, queue: string, place: Transfers): Promise<string> => {
  const resources = { cpus: 1, gpus: 0, ram: '128mb', hdd: String(3 * totalBytes) };
  const { key, request } = await load.request('heavy.py', { resources });
  const { artifacts } = (request as { experiment: { artifacts: Record<string, Record<string, unknown>> } }).experiment;
  const { named } = place;
  const where = `s3://${new URL(named.endpoint).host}/${named.bucket}`;
  const at = (objectKey: string) => ({
    bucket: named.bucket,
    key: objectKey,
    qualified: `${where}/${objectKey}`,
    credentials: named.credentials,
  });
  artifacts['data'] = { ...at('large'), unpack: false, mutable: false };
  artifacts['modeldir'] = { ...at(`heavy/${key}.tar.gz`), unpack: true, mutable: true };
  await load.send(queue, JSON.stringify(request));
  return key;
};
