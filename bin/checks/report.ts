import { styleText } from 'node:util';
import { wrap } from '../../lib/config/describe.ts';
import type { Finding } from './check.ts';

const nameWidth = 20;
const marks = {
  ok: { word: 'ok', style: 'green' },
  warning: { word: 'warning', style: 'yellow' },
  failure: { word: 'failure', style: 'red' },
} as const;

/** A finding as text: aligned lines of at most `columns` characters with what was found, expected, and can be done; or one JSON object. */
export const reportFinding =
  ({ json, colours, columns }: { readonly json: boolean; readonly colours: boolean; readonly columns: number }) =>
  (name: string, finding: Finding): string => {
    if (json) return JSON.stringify({ check: name, ...finding });
    const { word, style } = marks[finding.status];
    const status = word.padEnd(8);
    const indent = ' '.repeat(8 + 1 + nameWidth + 1);
    const fitted = (text: string) => wrap(text, Math.max(40, columns - indent.length));
    const lines = [
      // A path in parentheses stays beside what it is of.
      ...fitted(finding.found.replaceAll(' (/', '\u00a0(/')),
      ...(finding.expected === undefined ? [] : fitted(`expected: ${finding.expected}`)),
      ...(finding.remedy === undefined ? [] : fitted(`remedy: ${finding.remedy}`)),
    ];
    const shown = colours ? styleText(style, status, { validateStream: false }) : status;
    return `${shown} ${name.padEnd(nameWidth)} ${lines.join(`\n${indent}`)}`;
  };
