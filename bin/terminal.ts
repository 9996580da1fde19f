import { isatty } from 'node:tty';

/** Whether stdout is a terminal that shows colours, and nothing says otherwise (NO_COLOR, TERM). */
export const hasColors = (): boolean => isatty(1) && process.stdout.hasColors();

/** How wide lines for people may be: the terminal's width within reason, COLUMNS where stdout is none, else 100. */
export const columns = (): number => {
  const width = isatty(1) ? process.stdout.columns : Number(process.env['COLUMNS'] ?? 100);
  return Math.min(Math.max(width || 100, 60), 120);
};

/** The width of the terminal that stdout is. */
export const terminalColumns = (): number => process.stdout.columns || 80;
