import type { Artifact, Request } from '../model/experiment.ts';

/** Where the image of an experiment comes from, and so who can run it. */
export type Image =
  /** `dockerhub://image`, `docker://image`, or a plain reference. */
  | { readonly type: 'reference'; readonly artifact: Artifact; readonly reference: string }
  /** An archive of `docker save` or `docker export`, in a store. */
  | { readonly type: 'archive'; readonly artifact: Artifact }
  /** `shub://image`. */
  | { readonly type: 'shub'; readonly artifact: Artifact; readonly uri: string }
  /** A file `.sif` or `.simg`, in a store. */
  | { readonly type: 'sif'; readonly artifact: Artifact };

const fromRegistry = /^(?:dockerhub|docker):\/\//;

const imageIn = (artifact: Artifact): Image => {
  const { qualified = artifact.url ?? '', key = '' } = artifact;
  if (qualified.startsWith('shub://')) return { type: 'shub', artifact, uri: qualified };
  if (fromRegistry.test(qualified) || (qualified !== '' && !qualified.includes('://')))
    return { type: 'reference', artifact, reference: qualified.replace(fromRegistry, '') };
  const name = (key || qualified).replace(/[?#].*$/s, '');
  return /\.(?:sif|simg)$/i.test(name) ? { type: 'sif', artifact } : { type: 'archive', artifact };
};

/** The image that a request asks for: `_container`, else `_singularity`, else any artifact that is one. Source: spec "Container". */
export const imageOf = ({ artifacts }: Pick<Request, 'artifacts'>): Image | undefined => {
  const artifact =
    artifacts.get('_container') ??
    artifacts.get('_singularity') ??
    [...artifacts.values()].find(({ qualified }) => /^(?:dockerhub|shub):\/\//.test(qualified ?? ''));
  return artifact && imageIn(artifact);
};

/** A reference with everything that it leaves out: `busybox` is `docker.io/library/busybox:latest`. */
export const fullReference = (reference: string): string => {
  const [first = '', ...rest] = reference.split('/');
  const hasHost = rest.length > 0 && /[.:]|^localhost$/.test(first);
  const named = hasHost ? reference : `docker.io/${rest.length > 0 ? reference : `library/${reference}`}`;
  return named.includes('@') || /:[^/]+$/.test(named) ? named : `${named}:latest`;
};

const matches = (pattern: string, name: string): boolean =>
  new RegExp(`^${pattern.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*')}$`, 's').test(name);

/** What a reference is called: as the request writes it, in full, and each without tag and digest. */
const namesOf = (reference: string): readonly string[] =>
  [reference, fullReference(reference)].flatMap(name => [name, name.replace(/(?:@.*|:[^/:]*)$/, '')]);

/** A part `.` or `..`, percent-encoded or not: what serves it may take it for another place than it reads like. */
const hasSteps = (name: string): boolean =>
  /(?:^|\/)\.\.?(?:[/?#]|$)/.test(name.replace(/%2e/gi, '.').replace(/%2f/gi, '/'));

/**
 * Whether an image is trusted: any, where there are no patterns; else one that a pattern names. `*` stands for any characters.
 * @param places what an archive or a file is called: where it is fetched from, and not what the request may say beside that
 */
export const isTrusted = (image: Image, patterns: readonly string[], places: readonly string[] = []): boolean => {
  if (patterns.length === 0) return true;
  const isReference = image.type === 'reference';
  const names = isReference ? namesOf(image.reference) : image.type === 'shub' ? [image.uri] : places;
  return patterns
    .map(pattern => (isReference ? pattern.replace(fromRegistry, '') : pattern))
    .some(pattern => names.some(name => matches(pattern, name) && !hasSteps(name)));
};
