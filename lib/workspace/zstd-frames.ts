import { archiveRefused } from './archive-errors.ts';

const frameMagic = 0xfd2fb528;
const skippableMagic = 0x184d2a50;

/** A piece of a frame; `last` where the frame ends with it. */
export interface FramePiece {
  readonly bytes: Buffer;
  readonly last: boolean;
}

/** What is read next: so many bytes of a header, to be understood, or of content, to be passed on. */
type Expected =
  | { readonly type: 'magic' | 'descriptor' | 'block' | 'skip-size'; readonly bytes: number }
  | { readonly type: 'content'; readonly then: 'block' | 'end' };

/** Bytes of a frame's header after its descriptor. Source: RFC 8878, 3.1.1.1. */
const headerBytes = (descriptor: number): number => {
  const single = (descriptor >>> 5) & 1;
  const sizeBytes = [single, 2, 4, 8][descriptor >>> 6] ?? 0;
  return (single ? 0 : 1) + ([0, 1, 2, 4][descriptor & 3] ?? 0) + sizeBytes;
};

/**
 * Finds where the frames of a zstd stream end, by the lengths that they tell: node's decoder passes over what follows the end of the
 * first one. Frames to be skipped are left out.
 * Errors: AttemptError `artifact-invalid` for what is no frame.
 */
export class FrameSplitter {
  #expected: Expected = { type: 'magic', bytes: 4 };
  #head: Buffer[] = [];
  #headBytes = 0;
  #left = 0;
  #isSkipped = false;
  #hasChecksum = false;
  #began = false;

  /** Whether the stream may end here. */
  get isBetween(): boolean {
    return this.#began && this.#expected.type === 'magic' && this.#headBytes === 0;
  }

  *split(chunk: Buffer): Generator<FramePiece> {
    let from = 0;
    let at = 0;
    while (at < chunk.length) {
      const before = at;
      if (this.#expected.type === 'content') {
        at += Math.min(this.#left, chunk.length - at);
        this.#left -= at - before;
      } else {
        at += Math.min(this.#expected.bytes - this.#headBytes, chunk.length - at);
        this.#head.push(chunk.subarray(before, at));
        this.#headBytes += at - before;
        if (this.#headBytes < this.#expected.bytes) break;
        this.#understand(this.#expected.type, Buffer.concat(this.#head));
        this.#head = [];
        this.#headBytes = 0;
      }
      if (this.#left > 0 || this.#expected.type !== 'content') continue;
      const { then } = this.#expected;
      if (then === 'block') this.#expected = { type: 'block', bytes: 3 };
      else {
        this.#expected = { type: 'magic', bytes: 4 };
        if (!this.#isSkipped) yield { bytes: chunk.subarray(from, at), last: true };
        from = at;
        this.#isSkipped = false;
      }
    }
    if (from < chunk.length && !this.#isSkipped) yield { bytes: chunk.subarray(from), last: false };
  }

  #content(bytes: number, then: 'block' | 'end'): void {
    this.#expected = { type: 'content', then };
    this.#left = bytes;
  }

  #understand(what: Exclude<Expected['type'], 'content'>, head: Buffer): void {
    switch (what) {
      case 'magic': {
        const magic = head.readUInt32LE();
        this.#began = true;
        this.#isSkipped = (magic & 0xfffffff0) >>> 0 === skippableMagic;
        if (!this.#isSkipped && magic !== frameMagic)
          throw archiveRefused('it is damaged: no zstd frame where one begins');
        this.#expected = this.#isSkipped ? { type: 'skip-size', bytes: 4 } : { type: 'descriptor', bytes: 1 };
        break;
      }
      case 'skip-size':
        this.#content(head.readUInt32LE(), 'end');
        break;
      case 'descriptor':
        this.#hasChecksum = ((head[0] ?? 0) & 4) !== 0;
        this.#content(headerBytes(head[0] ?? 0), 'block');
        break;
      case 'block': {
        const block = head.readUIntLE(0, 3);
        const isRun = ((block >>> 1) & 3) === 1;
        const bytes = isRun ? 1 : block >>> 3;
        const isLast = (block & 1) !== 0;
        this.#content(bytes + (isLast && this.#hasChecksum ? 4 : 0), isLast ? 'end' : 'block');
        break;
      }
      default:
        what satisfies never;
    }
  }
}
