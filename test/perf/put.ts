import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { lastValueFrom, of } from 'rxjs';
import { stageOut } from '../../lib/stages/stage-out.ts';
import { artifact, ended, makeAttempt } from '../helpers/make-attempt.ts';
import type { Bench } from './bench.ts';
import { openTransfers, timed, totalBytes, writeFileOf } from './transfers.ts';

const files = 16;
const formats = [
  { extension: 'tar', pipe: '', reach: 0.9 },
  { extension: 'tar.gz', pipe: '| gzip -6', reach: 1.5 },
  { extension: 'tar.zst', pipe: '| zstd -q -3', reach: 0.9 },
] as const;

/** A directory of 1 GiB to an archive in the store: time of `tar | (gzip -6, zstd -3) | s5cmd pipe` / ours. */
export const bench: Bench = {
  name: 'put',
  async run() {
    const place = await openTransfers();
    const { store } = place;
    try {
      const rows = [];
      for (const { extension, pipe, reach } of formats) {
        const key = `model.${extension}`;
        const home = await place.fresh();
        const artifacts = [artifact('modeldir', { key })];
        const attempt = makeAttempt({ home, artifacts });
        const directory = attempt.workspace.directoryOf('modeldir');
        await mkdir(directory);
        for (let i = 0; i < files; i++) await writeFileOf(join(directory, `weights-${String(i)}`), totalBytes / files);
        const emit = () => undefined;
        const ours = () => {
          const locate = () => ({ store, key });
          const stage = stageOut({ locate, emit, parallelTransfers: 8, stopUploadMs: 1000, now: Date.now });
          return timed(() => lastValueFrom(of(ended(attempt)).pipe(stage)));
        };
        const theirs = () => place.shell(`tar -C '${directory}' -c . ${pipe} | $S5 pipe "$BUCKET/theirs.${extension}"`);
        const best = { theirs: Infinity, ours: Infinity };
        for (let i = 0; i < 2; i++) {
          best.theirs = Math.min(best.theirs, await theirs());
          best.ours = Math.min(best.ours, await ours());
        }
        await rm(home, { recursive: true });
        const measured = best.theirs / best.ours;
        rows.push({
          name: `put 1 GiB .${extension}: tar ${pipe} | s5cmd / ours`.replace('  ', ' '),
          measured,
          unit: '',
          reach: `>= ${String(reach)}`,
          ok: measured >= reach,
          detail: `theirs ${best.theirs.toFixed(0)} ms, ours ${best.ours.toFixed(0)} ms, ${String(totalBytes)} bytes`,
        });
      }
      return rows;
    } finally {
      await place.close();
    }
  },
};
