import { Transform } from 'node:stream';
import { minSecretBytes, replacement } from '../telemetry/redact.ts';
import { spellingsOf } from '../telemetry/spellings.ts';
import { ByteSearch } from './byte-search.ts';

/** More than one chunk of a pipe, as the reader of lines has it. */
const BUFFER_BYTES = 256 * 1024;
const stand = Buffer.from(replacement);

/** What is searched for in the output of an experiment whose request holds these secrets; undefined for none. */
export const searchFor = (secrets: readonly string[]): ByteSearch | undefined => {
  const needles = secrets
    .filter(secret => Buffer.byteLength(secret) >= minSecretBytes)
    .flatMap(spellingsOf)
    .map(text => Buffer.from(text));
  return needles.length === 0 ? undefined : new ByteSearch(needles);
};

/**
 * Chunks of output without secrets. A chunk that holds none is handed on as it is; only the beginning of a secret that a chunk
 * ends with waits for the next one.
 */
export const redactStream = (search: ByteSearch): Transform => {
  let held: Buffer | undefined;
  /** @param cutAt where what stands from a place on may go on in the next chunk */
  const clean = (bytes: Buffer, cutAt: (from: number) => number): Buffer => {
    const parts: Buffer[] = [];
    let done = 0;
    let cut = cutAt(0);
    for (let hit = search.find(bytes, 0); hit && hit.start < cut; hit = search.find(bytes, hit.end)) {
      parts.push(bytes.subarray(done, hit.start), stand);
      done = hit.end;
      if (cut < done) cut = cutAt(done);
    }
    held = cut < bytes.length ? Buffer.from(bytes.subarray(cut)) : undefined;
    if (done === 0) return cut === bytes.length ? bytes : bytes.subarray(0, cut);
    parts.push(bytes.subarray(done, cut));
    return Buffer.concat(parts);
  };
  return new Transform({
    highWaterMark: BUFFER_BYTES,
    transform(chunk: Buffer, _encoding, done) {
      const bytes = held ? Buffer.concat([held, chunk]) : chunk;
      const shown = clean(bytes, from => search.findCut(bytes, from));
      done(null, shown.length === 0 ? undefined : shown);
    },
    flush(done) {
      // The beginning of a secret in which the output ended may hold a shorter one.
      const rest = held;
      done(null, rest && clean(rest, () => rest.length));
    },
  });
};
