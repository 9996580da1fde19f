import { AttemptError } from '../errors.ts';
import type { StagedAttempt } from '../model/attempt.ts';
import type { Artifact } from '../model/experiment.ts';
import type { ObjectLocation } from '../storage/object-store.ts';
import { imageOf, isTrusted, type Image } from './image.ts';
import { programOf } from './program.ts';

/** The image of a request that is to be run. @param patterns IMAGE_ALLOW. Errors: `not-a-request`, `image-denied`. */
export const trustedImage = ({ request }: StagedAttempt, patterns: readonly string[]): Image => {
  const image = imageOf(request);
  if (!image) throw new AttemptError('not-a-request', 'the request has no image');
  if (isTrusted(image, patterns)) return image;
  const named = image.type === 'reference' ? image.reference : image.artifact.qualified;
  throw new AttemptError('image-denied', 'the image is not among those that IMAGE_ALLOW trusts', { image: named });
};

/** Where an image that lies in a store is. Errors: `image-missing`. */
export const imageLocation = (
  { artifact }: Pick<Image, 'artifact'>,
  attempt: StagedAttempt,
  locate: (artifact: Artifact, attempt: StagedAttempt) => ObjectLocation | undefined,
): ObjectLocation => {
  const location = locate(artifact, attempt);
  if (location) return location;
  throw new AttemptError('image-missing', 'the image has no location', { artifact: artifact.label });
};

/**
 * What to start in an image: the program with the image's `python3`, or what the request asks for by its first number; undefined for the
 * image's own entry point. Errors: `no-such-program`.
 */
export const programInImage = (
  attempt: StagedAttempt,
): { readonly python: string; readonly args: readonly string[] } | undefined => {
  const { filename, pythonVersion } = attempt.request;
  if (filename === undefined) return undefined;
  return { python: `python${pythonVersion?.split('.')[0] ?? '3'}`, args: programOf(attempt) };
};
