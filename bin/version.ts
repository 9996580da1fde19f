import { readFileSync } from 'node:fs';
import { findPackageJSON } from 'node:module';

/** The runner's version, as package.json says. */
export const version = (): string => {
  const path = findPackageJSON('..', import.meta.url);
  const { version } = JSON.parse(path === undefined ? '{}' : readFileSync(path, 'utf8')) as { version?: string };
  return version ?? 'unknown';
};
