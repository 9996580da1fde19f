import { isatty } from 'node:tty';

/** Whether stdout is a terminal that shows colours, and nothing says otherwise (NO_COLOR, TERM). */
export const hasColors = (): boolean => isatty(1) && process.stdout.hasColors();
