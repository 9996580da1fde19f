import { readFileSync } from 'node:fs';
import t from 'tap';

interface Lock {
  readonly packages: Readonly<Record<string, { readonly optional?: boolean; readonly engines?: unknown }>>;
}

// npm leaves an optional package out where the Node that npm itself runs on is none of its engines. The runner's own Node is another.
t.test('any npm installs the binaries of xz', async t => {
  const lock = JSON.parse(readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8')) as Lock;
  const binaries = Object.entries(lock.packages).filter(([path]) => path.startsWith('node_modules/@napi-rs/lzma-'));
  t.ok(binaries.length > 10);
  t.same(
    binaries.filter(([, { engines }]) => engines !== undefined).map(([path]) => path),
    [],
    'take "engines" out of these in package-lock.json',
  );
});
