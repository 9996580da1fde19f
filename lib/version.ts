import { readFileSync } from 'node:fs';
import { findPackageJSON } from 'node:module';
import { dirname } from 'node:path';

const manifest = findPackageJSON('..', import.meta.url) ?? '';

/** The directory of this package, run from its sources or built. */
export const packageRoot: string = dirname(manifest);

/** The runner's version, as package.json says. */
export const version = (): string =>
  (JSON.parse(readFileSync(manifest, 'utf8')) as { readonly version: string }).version;
