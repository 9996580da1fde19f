import { execFileSync } from 'node:child_process';

const python = (expression: string): Buffer =>
  execFileSync('python3', ['-c', `import bz2, lzma, zipfile, io, sys\nsys.stdout.buffer.write(${expression})`]);

/** Bytes of the formats that Node has no encoder for. */
export const bzip2Fixture = (): Buffer => python(`bz2.compress(b'x' * 2000)`);
export const xzFixture = (): Buffer => python(`lzma.compress(b'x' * 2000)`);
export const zipFixture = (): Buffer =>
  python(`(lambda b: (zipfile.ZipFile(b, 'w').writestr('f', 'x' * 2000), b.getvalue())[1])(io.BytesIO())`);
