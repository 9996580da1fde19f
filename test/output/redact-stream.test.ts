import { buffer } from 'node:stream/consumers';
import { Readable } from 'node:stream';
import fc from 'fast-check';
import t from 'tap';
import { ByteSearch } from '../../lib/output/byte-search.ts';
import { redactStream, searchFor } from '../../lib/output/redact-stream.ts';

const secret = 'wJalrXUt/nFEMI+K7MDENG';

const through = async (secrets: readonly string[], chunks: readonly Buffer[]): Promise<string> => {
  const search = searchFor(secrets);
  if (search === undefined) throw new Error('nothing to search for');
  return (await buffer(Readable.from(chunks).pipe(redactStream(search)))).toString('latin1');
};

const cuts = (bytes: Buffer, at: readonly number[]): Buffer[] => {
  const places = [0, ...at.map(place => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return places.slice(1).map((end, index) => bytes.subarray(places[index], end));
};

t.test(
  'a secret goes wherever chunks cut it, plain, URL-encoded, as JSON writes it and in base64 at each alignment',
  async () => {
    const spelled = [
      secret,
      encodeURIComponent(secret),
      JSON.stringify({ a: secret }),
      ...[0, 1, 2, 3].map(before => Buffer.from(`${'x'.repeat(before)}${secret} and more`).toString('base64')),
      Buffer.from(`é${secret}`).toString('base64url'),
    ];
    const cores = ['wJalrXUt/nFEMI', 'wJalrXUt%2FnFEMI'];
    const inBase64 = (text: string) =>
      [...text.matchAll(/[A-Za-z0-9+/_-]{8,}/g)].some(([run]) =>
        [0, 1, 2, 3].some(skip =>
          Buffer.from(run.slice(skip), 'base64').toString('latin1').includes(secret.slice(3, 18)),
        ),
      );
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom('words\n', 'w', 'wJal', ...spelled), { maxLength: 8 }),
        fc.array(fc.nat(400), { maxLength: 6 }),
        async (parts, places) => {
          const out = await through([secret], cuts(Buffer.from(parts.join('')), places));
          if (cores.some(core => out.includes(core)) || inBase64(out)) throw new Error(out);
          const shown = parts.filter(part => part === 'words\n').length;
          if (out.split('words\n').length - 1 !== shown) throw new Error(`words are missing: ${out}`);
        },
      ),
      { numRuns: 300 },
    );
  },
);

t.test('what holds no secret is handed on as it is, chunk for chunk, and nothing waits', async t => {
  const search = searchFor([secret]);
  if (!search) throw new Error('nothing to search for');
  const stream = redactStream(search);
  const chunk = Buffer.from('words and wJal more\n');
  stream.write(chunk);
  t.equal(stream.read(), chunk);
  stream.write(Buffer.from('a prompt: '));
  t.equal((stream.read() as Buffer).toString(), 'a prompt: ');
  stream.end();
});

t.test('the beginning of a secret that the output ends with is shown', async t => {
  t.equal(await through([secret], [Buffer.from('x wJal'), Buffer.from('rXUt')]), 'x wJalrXUt');
});

t.test('a secret that another begins with goes where the output ends in it', async t => {
  const secrets = ['hunter2hunter2', 'hunter2hunter2x', 'my hunter2hunter2 is long'];
  t.equal(await through(secrets, [Buffer.from('it is hunter2'), Buffer.from('hunter2')]), 'it is [redacted]');
  t.equal(await through(secrets, [Buffer.from('it is my hunter2hunter2 ')]), 'it is my [redacted] ');
});

t.test('what a chunk costs does not grow with the number of secrets', async t => {
  const secrets = Array.from(
    { length: 1000 },
    (_, number) => `${String(number).padStart(4, '0')} ${'long '.repeat(200)}`,
  );
  const chunk = Buffer.from(`words 0999 and ${'long '.repeat(200)}`.repeat(60));
  const chunks = Array.from({ length: 200 }, () => chunk);
  // Were each compared with the end of each chunk, this would take many minutes.
  const out = await through(secrets, [...chunks, Buffer.from(secrets[999] ?? '')]);
  t.equal(out.length, chunk.length * chunks.length + '[redacted]'.length);
});

t.test('of secrets that overlap the first goes as a whole', async t => {
  const chunks = cuts(Buffer.from('a x12345678y b 12345678 c'), [6, 11, 20]);
  t.equal(await through(['12345678', 'x12345678y'], chunks), 'a [redacted] b [redacted] c');
});

t.test('secrets shorter than 8 bytes are not searched for', async t => {
  t.equal(searchFor(['1234567', '']), undefined);
});

t.test('the search finds what indexOf finds', async () => {
  const text = fc.stringMatching(/^[ab]{0,60}$/);
  const needles = fc.array(fc.stringMatching(/^[ab]{4,9}$/), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(text, needles, (words, searched) => {
      const bytes = Buffer.from(words);
      const first = searched.map(needle => bytes.indexOf(needle)).filter(at => at >= 0);
      const hit = new ByteSearch(searched.map(needle => Buffer.from(needle))).find(bytes, 0);
      return hit?.start === (first.length > 0 ? Math.min(...first) : undefined);
    }),
    { numRuns: 2000 },
  );
});
