import { UnplacedLetter } from '../errors.ts';

export interface Placing {
  /** Put the letter where it belongs. */
  readonly place: () => Promise<void>;
  /** Give the message back to its queue. */
  readonly giveBack: () => Promise<void>;
  readonly remedy: string;
}

/**
 * Put a dead letter in its place, or give its message back.
 * Errors: UnplacedLetter where it went back; why it could not be placed where it couldn't do that either: it comes home by itself.
 */
export const placeLetter = async ({ place, giveBack, remedy }: Placing): Promise<void> => {
  try {
    await place();
  } catch (error) {
    await giveBack().catch(() => {
      throw error;
    });
    throw new UnplacedLetter(remedy, error);
  }
};
