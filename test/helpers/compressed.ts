import { execFileSync } from 'node:child_process';
import { constants, gzipSync, zstdCompressSync } from 'node:zlib';

/** Python's standard library, as another implementation: what it writes to `out`. @param input what it finds in `data` */
export const byPython = (program: string, input: Buffer = Buffer.alloc(0)): Buffer =>
  execFileSync(
    'python3',
    [
      '-c',
      `import bz2, io, lzma, sys, tarfile, zipfile\nout = sys.stdout.buffer\ndata = sys.stdin.buffer.read()\n${program}`,
    ],
    { input, maxBuffer: 2 ** 30 },
  );

/** The compressions that a tar may have, each by somebody who is not us, where Node has no encoder. */
export const compressions: Readonly<Record<string, (bytes: Buffer) => Buffer>> = {
  gzip: bytes => gzipSync(bytes),
  zstd: bytes => zstdCompressSync(bytes, { params: { [constants.ZSTD_c_checksumFlag]: 1 } }),
  bzip2: bytes => byPython('out.write(bz2.compress(data))', bytes),
  xz: bytes => byPython('out.write(lzma.compress(data, preset=1))', bytes),
};

/** An entry of a zip; `mode` with the type's bits, as Unix has them. */
export interface ZipMember {
  readonly name: string;
  readonly content?: string | Buffer;
  readonly mode?: number;
}

/** Zips made by Python, in one call. */
export const zipsOf = (archives: readonly (readonly ZipMember[])[]): Buffer[] => {
  const told = archives.map(members =>
    members.map(({ name, content = '', mode = 0o100644 }) => ({
      name,
      mode,
      hex: Buffer.from(content).toString('hex'),
    })),
  );
  const program = `import json
made = []
for members in json.loads(data):
    b = io.BytesIO()
    with zipfile.ZipFile(b, 'w', zipfile.ZIP_DEFLATED) as z:
        for one in members:
            i = zipfile.ZipInfo(one['name'], (2020, 1, 2, 3, 4, 6))
            i.filename = one['name']
            i.create_system = 3
            i.external_attr = one['mode'] << 16
            i.compress_type = zipfile.ZIP_DEFLATED
            z.writestr(i, bytes.fromhex(one['hex']))
    made.append(b.getvalue().hex())
out.write(json.dumps(made).encode())`;
  const made = JSON.parse(byPython(program, Buffer.from(JSON.stringify(told))).toString()) as string[];
  return made.map(hex => Buffer.from(hex, 'hex'));
};

export const zipOf = (...members: readonly ZipMember[]): Buffer => zipsOf([members])[0] ?? Buffer.alloc(0);
