import { styleText } from 'node:util';
import type { Level, RunnerEvent } from './events.ts';
import { hangingPhrases } from './hanging-phrases.ts';
import type { EventFormat } from './json-format.ts';

type Style = Parameters<typeof styleText>[0];
const marks: Readonly<Record<Level, { readonly mark: string; readonly style: Style }>> = {
  debug: { mark: ' ', style: 'dim' },
  info: { mark: ' ', style: 'bold' },
  warn: { mark: '!', style: 'yellow' },
  error: { mark: '✗', style: ['bold', 'red'] },
};
const queueWidth = 14;
const experimentWidth = 14;
const eventWidth = 16;

/** Text of experiments and brokers must not steer the terminal. */
export const printable = (text: string): string =>
  text.replace(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g, character =>
    character === '\n' ? '⏎' : '�',
  );

/** Text in exactly `width` characters, the middle left out where it is longer. */
export const fit = (text: string, width: number): string => {
  const shown = [...printable(text)];
  if (shown.length <= width) return shown.join('').padEnd(width);
  // The end tells experiments of one series apart.
  const head = Math.floor((width - 1) / 2);
  return [...shown.slice(0, head), '…', ...shown.slice(shown.length - (width - 1 - head))].join('');
};

/** 12 ms, 1.4 s, 3 m 20 s, 5 h 2 m */
export const humanDuration = (ms: number): string => {
  if (ms < 1000) return `${String(Math.round(ms))} ms`;
  const seconds = Math.round(ms / 1000);
  if (ms < 60_000) return `${String(Math.round(ms / 100) / 10)} s`;
  const [large, small, units] =
    seconds < 3600
      ? [Math.floor(seconds / 60), seconds % 60, ['m', 's']]
      : [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60), ['h', 'm']];
  return `${String(large)} ${units[0] ?? ''}${small === 0 ? '' : ` ${String(small)} ${units[1] ?? ''}`}`;
};

/** 1 queue, 2 queues */
export const plural = (count: number, noun: string): string => `${String(count)} ${noun}${count === 1 ? '' : 's'}`;

/** 512 B, 12 kB, 1.5 GB: powers of 1000. */
export const humanBytes = (bytes: number): string => {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  const power = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), units.length - 1);
  const scaled = bytes / 1000 ** power;
  return `${String(scaled < 10 ? Math.round(scaled * 10) / 10 : Math.round(scaled))} ${units[power] ?? ''}`;
};

const words = (name: string): string => name.replace(/[A-Z]/g, letter => ` ${letter.toLowerCase()}`);
/** Fields that say what they are by themselves. */
const bare = new Set([
  'message',
  'error',
  'why',
  'cause',
  'settlement',
  'line',
  'option',
  'operation',
  'object',
  'kind',
]);

const phrase = (name: string, value: unknown): string => {
  if (typeof value === 'number' && name.endsWith('Ms')) return `${words(name.slice(0, -2))} ${humanDuration(value)}`;
  if (typeof value === 'number' && name === 'bytes') return humanBytes(value);
  if (typeof value === 'number' && name.endsWith('Bytes')) return `${words(name.slice(0, -5))} ${humanBytes(value)}`;
  // Its parts are lines of their own.
  if (name === 'stderr' && Array.isArray(value)) return `stderr: ${value.map(String).join('\n')}`;
  if (Array.isArray(value)) return `${words(name)} ${value.map(String).join(', ')}`;
  if (typeof value === 'object') return `${words(name)} ${phrases(value as Record<string, unknown>).join(', ')}`;
  return bare.has(name) ? String(value) : `${words(name)} ${String(value)}`;
};

const phrases = (fields: Readonly<Record<string, unknown>>): string[] =>
  Object.entries(fields)
    .filter(
      ([name, value]) =>
        name !== 'timings' &&
        value !== null &&
        value !== undefined &&
        value !== '' &&
        !(Array.isArray(value) && value.length === 0) &&
        !(name === 'delayMs' && value === 0) &&
        !(name === 'exitCode' && fields['message'] === `exited with code ${String(value)}`),
    )
    .map(([name, value]) => phrase(name, value));

const clock = (atMs: number): string => new Date(atMs).toTimeString().slice(0, 8);

/** Lines that go on begin under the fields, or, where that leaves too little room, under the queue. */
const leastWidth = 40;
const queueColumn = clock(0).length + 3;

/**
 * Events for people: one line each with time, queue, experiment, what happened, and its fields in words.
 * @param columns the width of the terminal, whose lines are broken between words; absent: an event is one line
 */
export const personFormat = (colours: boolean, columns?: () => number): EventFormat => {
  const paint = (style: Style, text: string) => (colours ? styleText(style, text, { validateStream: false }) : text);
  return ({ atMs, level, event, queue, experiment, fields }: RunnerEvent) => {
    const { mark, style } = marks[level];
    const parts: (readonly [style: Style, text: string])[] = [
      ['dim', clock(atMs)],
      [style, mark],
    ];
    // What is about the runner itself needs no empty columns.
    if (queue !== undefined || experiment !== undefined)
      parts.push(['cyan', fit(queue ?? '', queueWidth)], ['reset', fit(experiment ?? '', experimentWidth)]);
    parts.push([style, event.replaceAll('-', ' ').padEnd(eventWidth)]);
    const told = phrases(fields).map(printable);
    const fieldColumn = parts.reduce((sum, [, text]) => sum + [...text].length + 1, 0);
    const width = columns?.() ?? Infinity;
    const indent = width - fieldColumn >= leastWidth ? fieldColumn : queueColumn;
    const text = hangingPhrases(told, width - fieldColumn, width - indent).join(`\n${' '.repeat(indent)}`);
    return [...parts, [level === 'debug' ? 'dim' : 'reset', text] as const]
      .map(part => paint(...part))
      .join(' ')
      .trimEnd();
  };
};
