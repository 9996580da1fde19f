import type { Level } from '../telemetry/events.ts';

const levels: Readonly<Record<string, Level | 'none'>> = {
  TRC: 'debug',
  DBG: 'debug',
  INF: 'info',
  WRN: 'warn',
  ERR: 'error',
  FTL: 'error',
  OFF: 'none',
};

/**
 * The least level that LOGXI asks for, as the Go runner's users write it: `*=DBG`, `*=WRN,runner=DBG`. What is said of `runner`
 * counts before what is said of `*`; names of other parts, and words that are no level, say nothing.
 */
export const leastLevel = (logxi: string): Level | 'none' | undefined => {
  const said = new Map(
    logxi.split(',').map(part => {
      const [name = '', level = ''] = part.split('=');
      return [name.trim(), levels[level.trim().toUpperCase().slice(0, 3)]] as const;
    }),
  );
  return said.get('runner') ?? said.get('*');
};

/** Whether LOGXI_FORMAT asks for JSON: on a terminal too, then. Its other formats are for people. */
export const wantsJson = (format: string): boolean => /^json\b/i.test(format.trim());
