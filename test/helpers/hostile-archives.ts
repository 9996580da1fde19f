/** Archives that mean harm. Run as a program it writes them to a directory: `node test/helpers/hostile-archives.ts DIR`. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { compressions, zipsOf } from './compressed.ts';
import { tarOf, type TarMember } from './tars.ts';

/** A name of a file, and what is in it. */
export type HostileArchive = readonly [name: string, bytes: Buffer];

/** Ways out of a directory, in every spelling that something may take for one. */
const slips = [
  '../evil',
  '../../../../../../../../../../tmp/evil',
  'a/../../evil',
  './../evil',
  './/..//evil',
  'a/./b/../../../evil',
  '/tmp/evil',
  '//tmp/evil',
  '..',
  '../',
  '..\\evil',
  'a\\..\\..\\evil',
  '\\tmp\\evil',
  'C:\\evil',
  'C:/evil',
  '%2e%2e%2fevil',
  '..%c0%af..%c0%afevil',
  '\u2025/evil',
  '\uff0e\uff0e/evil',
  '.../evil',
  '.. /evil',
  'evil\n../evil',
  '~/evil',
  `${'a/'.repeat(3000)}evil`,
  `${'../'.repeat(50)}etc/evil`,
];

const file = (name: string, content: string | Buffer = 'evil'): TarMember => ({ name, content });
const link = (name: string, linkname: string): TarMember => ({ name, type: 'symlink', linkname });
const hard = (name: string, linkname: string): TarMember => ({ name, type: 'link', linkname });

/** Members that together would write outside, or do other harm. */
const groups: Readonly<Record<string, readonly TarMember[]>> = {
  'swap-file': [link('x', '../outside'), file('x/kept')],
  'swap-deep': [{ name: 'd', type: 'directory' }, link('d/up', '../../outside'), file('d/up/kept')],
  'swap-directory': [{ name: 'd', type: 'directory' }, file('d/f'), link('d', '../outside'), file('d/kept')],
  'swap-twice': [link('a', 'b'), link('b', '../outside'), file('a/kept')],
  'swap-after-file': [file('kept'), link('kept', '../outside/kept'), file('kept')],
  'link-to-self': [link('x', 'x'), file('x/kept')],
  'link-to-top': [link('x', '.'), file('x/x/x/kept')],
  'link-by-proc': [link('x', '/proc/self/cwd'), file('x/kept')],
  'hard-out': [hard('h', '../outside/kept'), file('h')],
  'hard-through': [link('l', '../outside/kept'), hard('h', 'l'), file('h')],
  'names-twice': [file('f', 'one'), file('f', 'two'), { name: 'f', type: 'directory' }, file('f/f'), file('f')],
  'case-tricks': [link('Link', '../outside'), file('link/kept'), file('LINK/kept'), file('Kept'), file('KEPT')],
  'case-unicode': [link('ﬁle', '../outside'), file('file/kept'), link('ı', '../outside'), file('i/kept')],
  'dots-and-slashes': [file('a//b'), file('./a/./c'), file('a/b/'), file('.'), file('./.')],
  setuid: [{ name: 'suid', mode: 0o6777, content: 'evil' }],
  devices: [{ name: 'null', type: 'character-device', devmajor: 1, devminor: 3 }],
  pipe: [{ name: 'pipe', type: 'fifo' }],
  'many-empty': Array.from({ length: 2000 }, (_, index) => file(`d${String(index)}/f`, '')),
  nested: [file('inner.tar.gz', Buffer.from('H4sIAAAAAAAAAwMAAAAAAAAAAAA=', 'base64')), file('../inner')],
};

const zipMember = (one: TarMember) => {
  const type = { symlink: 0o120777, directory: 0o040755, fifo: 0o010644, 'character-device': 0o020644 } as const;
  const kind = one.type as keyof typeof type | undefined;
  const mode = (kind && type[kind]) ?? 0o100000 | (one.mode ?? 0o644);
  return { name: one.name, mode, content: one.linkname ?? one.content ?? '' };
};

const bomb = (compress: (bytes: Buffer) => Buffer) =>
  tarOf({ name: 'bomb', content: Buffer.alloc(40 * 1024 * 1024) }).then(compress);

/** All of them. Every byte is the same at every run. */
export async function* hostileArchives(): AsyncGenerator<HostileArchive> {
  const zipped = zipsOf([
    ...slips.map(name => [{ name, content: 'evil' }]),
    ...Object.values(groups).map(members => members.filter(one => one.type !== 'link').map(zipMember)),
    [{ name: 'bomb', content: Buffer.alloc(20 * 1024 * 1024) }],
  ]);
  const nextZip = () => zipped.shift() ?? Buffer.alloc(0);
  for (const [index, name] of slips.entries()) {
    yield [`slip-${String(index)}.tar`, await tarOf(file(name))];
    yield [`slip-${String(index)}.zip`, nextZip()];
    yield [`slip-link-${String(index)}.tar`, await tarOf(link('l', name), file('l/evil'))];
    yield [`slip-hard-${String(index)}.tar`, await tarOf(hard('h', name))];
  }
  for (const [name, members] of Object.entries(groups)) {
    const archive = await tarOf(...members);
    yield [`${name}.tar`, archive];
    yield [`${name}.zip`, nextZip()];
    for (const [compression, compress] of Object.entries(compressions)) {
      if (name === 'swap-deep') yield [`${name}.tar.${compression}`, compress(archive)];
    }
  }
  for (const [compression, compress] of Object.entries(compressions)) {
    yield [`bomb.tar.${compression}`, await bomb(compress)];
    yield [`no-tar.${compression}`, compress(Buffer.alloc(5000, 'no archive'))];
    yield [`twice.${compression}`, compress(compress(await tarOf(file('f'))))];
  }
  yield ['bomb.zip', nextZip()];
  const small = await tarOf(file('a', 'x'.repeat(700)), file('n'.repeat(120)), link('l', 'a'), hard('h', 'a'));
  for (let length = 0; length < small.length - 1024; length += 512) {
    yield [`cut-${String(length)}.tar`, small.subarray(0, length)];
    for (const [compression, compress] of Object.entries(compressions)) {
      if (compression !== 'bzip2' && compression !== 'xz')
        yield [`cut-${String(length)}.tar.${compression}`, compress(small.subarray(0, length))];
    }
  }
}

const [, program = '', directory] = process.argv;
if (directory !== undefined && program.endsWith('hostile-archives.ts')) {
  mkdirSync(directory, { recursive: true });
  for await (const [name, bytes] of hostileArchives()) writeFileSync(join(directory, name), bytes);
}
