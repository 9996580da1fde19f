import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import fc from 'fast-check';
import t from 'tap';
import { listDirectory } from '../../lib/workspace/list-directory.ts';
import { packDirectory } from '../../lib/workspace/pack.ts';
import { whole } from '../helpers/whole.ts';
import { unpackArchive } from '../../lib/workspace/unpack.ts';

interface Node {
  readonly path: readonly string[];
  readonly kind: 'file' | 'directory' | 'symlink';
  readonly mode: number;
  readonly content: Uint8Array;
}

const name = fc
  .oneof(
    fc.string({ minLength: 1, maxLength: 12, unit: 'binary' }),
    fc.integer({ min: 90, max: 200 }).map(length => 'n'.repeat(length)),
    fc.constantFrom('a', 'b', 'c\n', ' ', '-x'),
  )
  .filter(
    one => !/[/\0]/.test(one) && one !== '.' && one !== '..' && one.isWellFormed() && Buffer.byteLength(one) < 250,
  );

const node: fc.Arbitrary<Node> = fc.record({
  path: fc.array(name, { minLength: 1, maxLength: 4 }),
  kind: fc.constantFrom('file', 'directory', 'symlink'),
  mode: fc.integer({ min: 0, max: 0o777 }).map(mode => mode | 0o400),
  content: fc.oneof(
    fc.uint8Array({ maxLength: 2000 }),
    fc.nat(100_000).map(length => new Uint8Array(length).fill(7)),
  ),
});

const make = (root: string, { path, kind, mode, content }: Node): void => {
  const place = join(root, ...path);
  try {
    mkdirSync(dirname(place), { recursive: true });
    if (existsSync(place)) return;
    if (kind === 'file') writeFileSync(place, content, { flag: 'wx' });
    else if (kind === 'directory') mkdirSync(place);
    else symlinkSync('some/where', place);
    if (kind === 'file') chmodSync(place, mode);
  } catch {
    // A parent is a file or a dangling link: this node is left out.
  }
};

const described = async (root: string) =>
  (await listDirectory(root)).map(({ path, type, mode, mtimeMs }) => {
    const place = Buffer.concat([Buffer.from(`${root}/`), Buffer.from(path, 'latin1')]);
    return {
      path,
      type,
      mode: type === 'symlink' ? 0 : mode,
      mtime: type === 'symlink' ? 0 : Math.floor(mtimeMs / 1000),
      content: type === 'file' ? readFileSync(place).toString('base64') : '',
      link: type === 'symlink' ? readlinkSync(place) : '',
    };
  });

t.test('what is packed and unpacked has the same names, kinds, contents, modes, times and links', async t => {
  const dir = t.testdir();
  const [from, to] = [join(dir, 'from'), join(dir, 'to')];
  await fc.assert(
    fc.asyncProperty(
      fc.array(node, { minLength: 1, maxLength: 8 }),
      fc.constantFrom('a.tar', 'a.tar.gz', 'a.tar.zst'),
      fc.integer({ min: 1, max: 5000 }),
      async (nodes, key, chunkBytes) => {
        for (const path of [from, to]) {
          rmSync(path, { recursive: true, force: true });
          mkdirSync(path);
        }
        for (const one of nodes) make(from, one);
        const body = await packDirectory(from, key);
        const before = await described(from);
        if (body === undefined) return before.every(one => one.type === 'directory');
        const bytes = await whole(body);
        const chunks = [];
        for (let at = 0; at < bytes.length; at += chunkBytes) chunks.push(bytes.subarray(at, at + chunkBytes));
        await unpackArchive(Readable.from(chunks, { objectMode: false }), to);
        const after = await described(to);
        return JSON.stringify(after) === JSON.stringify(before);
      },
    ),
    { numRuns: 60 },
  );
  t.ok(lstatSync(to).isDirectory());
});
