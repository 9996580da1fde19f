import { AttemptError } from '../errors.ts';
import type { StagedAttempt } from '../model/attempt.ts';
import type { Artifact } from '../model/experiment.ts';
import type { ObjectLocation } from '../storage/object-store.ts';
import { imageOf, isTrusted, type Image } from './image.ts';
import { programOf } from './program.ts';

type Locate = (artifact: Artifact, attempt: StagedAttempt) => ObjectLocation | undefined;

/** Where an image that lies in a store is. Errors: `image-missing`. */
export const imageLocation = (
  { artifact }: Pick<Image, 'artifact'>,
  attempt: StagedAttempt,
  locate: Locate,
): ObjectLocation => {
  const location = locate(artifact, attempt);
  if (location) return location;
  throw new AttemptError('image-missing', 'the image has no location', { artifact: artifact.label });
};

const placeOf = ({ store, key }: ObjectLocation): string => `${store.name.replace(/\/$/, '')}/${key}`;

/**
 * What an image in a store is called: where it is fetched from, and as the request writes it where that leads there without members
 * beside it. A web address is what is asked for, with its query. Errors: those of `locate`.
 */
const placesOf = (image: Image, attempt: StagedAttempt, locate: Locate): readonly [string, ...string[]] => {
  const place = placeOf(imageLocation(image, attempt, locate));
  const { bucket: _, key: __, ...bare } = image.artifact;
  const written = bare.qualified ?? bare.url ?? '';
  if (/^https?:/.test(written)) {
    const url = new URL(written);
    [url.username, url.password, url.hash] = ['', '', ''];
    return [url.href];
  }
  try {
    return placeOf(imageLocation({ artifact: bare }, attempt, locate)) === place ? [place, written] : [place];
  } catch {
    // Without the members it is no location.
    return [place];
  }
};

/**
 * The image of a request that is to be run.
 * Errors: `not-a-request`, `image-denied`; where there are patterns those of `locate`.
 * @param use IMAGE_ALLOW, and where an image in a store is
 */
export const trustedImage = (
  attempt: StagedAttempt,
  { imageAllow, locate }: { readonly imageAllow: readonly string[]; readonly locate: Locate },
): Image => {
  const image = imageOf(attempt.request);
  if (!image) throw new AttemptError('not-a-request', 'the request has no image');
  if (imageAllow.length === 0) return image;
  const isStored = image.type === 'archive' || image.type === 'sif';
  const places = isStored ? placesOf(image, attempt, locate) : [];
  if (isTrusted(image, imageAllow, places)) return image;
  // Without the query of an address, which may be a signature.
  const named =
    image.type === 'reference' ? image.reference : (places[0]?.replace(/[?].*$/s, '') ?? image.artifact.qualified);
  throw new AttemptError('image-denied', 'the image is not among those that IMAGE_ALLOW trusts', { image: named });
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
