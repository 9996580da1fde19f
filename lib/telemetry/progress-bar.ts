import type { RunnerEvent } from './events.ts';
import type { EventFormat } from './json-format.ts';
import { fit, humanBytes, humanDuration } from './person-format.ts';

/** A transfer of which nothing was told for so long shows no longer: it hangs, or ended badly; other events say so. */
const staleMs = 5000;
const barWidth = 24;
const labelWidth = 18;

/** Takes back what stands in the last line. */
export const clearLine = '\r\u001b[K';

const barOf = (share: number): string => {
  const filled = Math.round(Math.min(Math.max(share, 0), 1) * barWidth);
  return `${'█'.repeat(filled)}${'░'.repeat(barWidth - filled)}`;
};

/** `↓ data  ██████░░░░  25 %  250 MB of 1 GB  120 MB/s  6 s left`, cut off where the terminal is narrower. */
export const transferLine = (fields: Readonly<Record<string, unknown>>, columns: number): string => {
  const { operation, artifact, doneBytes, totalBytes, bytesPerSecond } = fields;
  const [done, total, rate] = [Number(doneBytes), Number(totalBytes ?? 0), Number(bytesPerSecond)];
  const left = total > done && rate > 0 ? `  ${humanDuration(((total - done) / rate) * 1000)} left` : '';
  const share = total > 0 ? `${barOf(done / total)} ${String(Math.floor((done / total) * 100)).padStart(3)} %  ` : '';
  const amount = total > 0 ? `${humanBytes(done)} of ${humanBytes(total)}` : humanBytes(done);
  const line = `${operation === 'get' ? '↓' : '↑'} ${fit(String(artifact), labelWidth)} ${share}${amount}  ${humanBytes(rate)}/s${left}`;
  return [...line].slice(0, Math.max(columns, 0)).join('');
};

const isDone = ({ doneBytes, totalBytes }: Readonly<Record<string, unknown>>): boolean =>
  totalBytes !== undefined && Number(doneBytes) >= Number(totalBytes);

/**
 * A format for a terminal whose last line shows the transfer that was told of last, and moves on in its place; every other event is a
 * line above it, as `format` has it. Each text is complete: it takes the bar away, and puts it back where it still holds.
 */
export const withProgressBar = (format: EventFormat, columns: () => number): ((event: RunnerEvent) => string) => {
  let bar = '';
  let toldAtMs = -Infinity;
  return event => {
    if (event.event === 'transferring') {
      bar = isDone(event.fields) ? '' : transferLine(event.fields, columns() - 1);
      toldAtMs = event.atMs;
      return `${clearLine}${bar}`;
    }
    if (event.atMs - toldAtMs > staleMs) bar = '';
    const cleared = toldAtMs === -Infinity ? '' : clearLine;
    return `${cleared}${format(event)}\n${bar}`;
  };
};
