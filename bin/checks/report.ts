import { styleText } from 'node:util';
import type { Finding } from './check.ts';

const nameWidth = 20;
const marks = {
  ok: { word: 'ok', style: 'green' },
  warning: { word: 'warning', style: 'yellow' },
  failure: { word: 'failure', style: 'red' },
} as const;

/** A finding as text: one aligned line, then what was expected and what to do; or one JSON object. */
export const reportFinding =
  ({ json, colours }: { readonly json: boolean; readonly colours: boolean }) =>
  (name: string, finding: Finding): string => {
    if (json) return JSON.stringify({ check: name, ...finding });
    const { word, style } = marks[finding.status];
    const status = word.padEnd(8);
    const indent = ' '.repeat(8 + 1 + nameWidth + 1);
    const more = [
      ...(finding.expected === undefined ? [] : [`${indent}expected: ${finding.expected}`]),
      ...(finding.remedy === undefined ? [] : [`${indent}remedy: ${finding.remedy}`]),
    ];
    const shown = colours ? styleText(style, status, { validateStream: false }) : status;
    return [`${shown} ${name.padEnd(nameWidth)} ${finding.found}`, ...more].join('\n');
  };
