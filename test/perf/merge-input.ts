import { createWriteStream } from 'node:fs';
import { once } from 'node:events';

export const LINES = 1_000_000;

const text = (at: number): string =>
  `step ${at} of the training loop, batch ${at % 512}, ${(at * 7919) % 997} examples/s`.padEnd(40 + (at % 60), '.');

/** One of four kinds of directives, in turn. */
const directive = (at: number): string => {
  const loss = ((at * 31) % 1000) / 1000;
  switch (at % 4) {
    case 0:
      return JSON.stringify({ experiment: { loss, epoch: at, note: 'merged' } });
    case 1:
      return JSON.stringify([{ op: 'add', path: '/experiment/accuracy', value: 1 - loss }]);
    case 2:
      return JSON.stringify({ model: { layers: { [`l${at % 50}`]: { norm: loss, grad: at } } } });
    default:
      return JSON.stringify([{ op: 'replace', path: '/experiment/loss', value: loss }]);
  }
};

/** Write the prepared file of the bench: a million lines of 40 to 100 bytes, every tenth a directive. */
export const writeMergeInput = async (path: string): Promise<void> => {
  const file = createWriteStream(path);
  for (let block = 0; block < LINES / 1000; block++) {
    let words = '';
    for (let at = block * 1000; at < (block + 1) * 1000; at++) {
      words += `${at % 10 === 0 ? directive(at / 10) : text(at)}\n`;
    }
    if (!file.write(words)) await once(file, 'drain');
  }
  file.end();
  await once(file, 'close');
};
