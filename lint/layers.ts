/** Which part of the code may import which: bin -> pipelines -> stages -> drivers -> flow, errors, events -> model.
 *  Read by eslint.config.js, which shows a breach where it is written, and by test/layering.test.ts, which finds all of them. */

export type Layer =
  'bin' | 'index' | 'pipelines' | 'stages' | 'config' | 'drivers' | 'flow' | 'errors' | 'events' | 'model';

/** What a layer may import beside itself. Packages and Node's own modules are free, except where `importsNoPackages` says so. */
export const arrows: Readonly<Record<Layer, readonly Layer[]>> = {
  bin: ['index', 'pipelines', 'stages', 'config', 'drivers', 'flow', 'errors', 'events', 'model'],
  index: ['stages', 'config', 'drivers', 'flow', 'errors', 'events', 'model'],
  pipelines: ['stages', 'config', 'drivers', 'flow', 'errors', 'events', 'model'],
  stages: ['drivers', 'flow', 'errors', 'events', 'model'],
  config: ['drivers', 'flow', 'errors', 'events', 'model'],
  drivers: ['flow', 'errors', 'events', 'model'],
  flow: ['errors', 'events', 'model'],
  events: ['errors', 'model'],
  errors: ['model'],
  model: [],
};

/** The model is types; the one module it may name is Node's, for the types of streams. */
export const importsNoPackages: readonly Layer[] = ['model'];

/** Of lib, pipelines and bin the one file that imports Node's module for children: each of them gets an environment without secrets. */
export const startsChildren = 'lib/resources/child-process.ts';
export const moduleOfChildren = /^(node:)?child_process$/;

/** Where a layer's files are: a folder, or one file. The first match counts. */
export const places: readonly (readonly [prefix: string, layer: Layer])[] = [
  ['bin/', 'bin'],
  ['pipelines/', 'pipelines'],
  ['lib/index.ts', 'index'],
  ['lib/stages/', 'stages'],
  ['lib/config/', 'config'],
  ['lib/flow/', 'flow'],
  ['lib/errors.ts', 'errors'],
  ['lib/telemetry/events.ts', 'events'],
  ['lib/telemetry/event-rows/', 'events'],
  ['lib/model/', 'model'],
  ['lib/', 'drivers'],
];

/** Files in lib/stages that are no stage but a part of one: any stage may import them. */
export const stageParts: readonly string[] = ['lib/stages/settlements.ts', 'lib/stages/causes.ts'];

/** In these folders only the named files, which speak for every driver there, are seen from outside. What else is in them is a
 *  concrete driver, or belongs to one. */
export const interfaces: Readonly<Record<string, readonly string[]>> = {
  'lib/queues/': ['queue.ts', 'take-next.ts'],
  'lib/storage/': ['object-store.ts', 'retry.ts', 'fence.ts', 'held-fence.ts'],
  'lib/executors/': ['executor.ts', 'run-as.ts'],
};

/** The files of pipelines that make everything concrete. */
export const assemblers: readonly string[] = ['pipelines/drivers.ts', 'pipelines/brokers.ts', 'pipelines/machine.ts'];

/** Who sees concrete drivers. */
export const seesConcreteDrivers = (file: string): boolean => assemblers.includes(file) || file.startsWith('bin/');

export const layerOf = (file: string): Layer | undefined => places.find(([prefix]) => file.startsWith(prefix))?.[1];

/** The arrow that an import breaks, in words; undefined when it breaks none.
 *  In: paths relative to the root, `target` a project file (`lib/model/delivery.ts`) or a bare package name. */
export const breach = (file: string, target: string, isPackage: boolean): string | undefined => {
  const from = layerOf(file);
  if (from === undefined) return undefined;
  if (isPackage) {
    if (moduleOfChildren.test(target) && file !== startsChildren) return `children are started by ${startsChildren}`;
    return importsNoPackages.includes(from) && !target.startsWith('node:') ? `${from} imports no packages` : undefined;
  }
  const to = layerOf(target);
  if (to === undefined) return `${target} is not in lib, pipelines or bin`;
  if (from === 'stages' && to === 'stages' && !stageParts.includes(target)) return 'a stage sees no sibling stage';
  if (from !== to && !arrows[from].includes(to))
    return `${from} may import ${arrows[from].join(', ') || 'only itself'}, not ${to}`;
  const folder = Object.keys(interfaces).find(prefix => target.startsWith(prefix));
  const isConcrete =
    folder !== undefined && !file.startsWith(folder) && !interfaces[folder]?.includes(target.slice(folder.length));
  if (isConcrete && !seesConcreteDrivers(file)) return `only ${assemblers.join(', ')} and bin see concrete drivers`;
  return undefined;
};
