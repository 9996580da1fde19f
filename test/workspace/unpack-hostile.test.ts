import { execFileSync } from 'node:child_process';
import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { unpackArchive, type UnpackOptions } from '../../lib/workspace/unpack.ts';
import { bodyOf, tarOf, type TarMember } from '../helpers/tars.ts';

/** Unpack into a directory that has a neighbour; the neighbour must stay as it was. */
const unpackNear = async (t: Test, members: readonly TarMember[], options: UnpackOptions = {}) => {
  const dir = t.testdir({ target: {}, outside: { kept: 'kept' } });
  const archive = await tarOf(...members);
  const work = unpackArchive(bodyOf(archive), join(dir, 'target'), options);
  const failed = await work.then(
    () => undefined,
    (error: unknown) => error as Error & { code: string },
  );
  t.same(readdirSync(dir).sort(), ['outside', 'target']);
  t.same(readdirSync(join(dir, 'outside')), ['kept']);
  t.equal(readFileSync(join(dir, 'outside/kept'), 'utf8'), 'kept');
  t.equal(statSync(join(dir, 'outside/kept')).nlink, 1);
  return { failed, target: join(dir, 'target') };
};

const symlink = (name: string, linkname: string): TarMember => ({ name, type: 'symlink', linkname });
const hardlink = (name: string, linkname: string): TarMember => ({ name, type: 'link', linkname });
const file = (name: string): TarMember => ({ name, content: 'evil' });
const directory = (name: string): TarMember => ({ name, type: 'directory' });

const hostile: Readonly<Record<string, readonly [why: RegExp, entry: string, ...members: TarMember[]]>> = {
  'a name that leaves': [/leaves the directory/, '../evil', file('../evil')],
  'a name that leaves further down': [/leaves the directory/, 'a/../../evil', file('a/../../evil')],
  'an absolute name': [/name is absolute/, '/tmp/evil', file('/tmp/evil')],
  'a directory that leaves': [/leaves the directory/, '../evil/', directory('../evil/')],
  'a link to an absolute path': [/points out/, 'l', symlink('l', '/etc')],
  'a link out': [/points out/, 'd/l', symlink('d/l', '../../outside')],
  'a link out by way of another': [
    /points out/,
    'l',
    directory('deep/dir'),
    symlink('deep/dir/up', '../..'),
    symlink('l', 'deep/dir/up/../outside/kept'),
  ],
  'a link out by way of a later one': [
    /points out/,
    'l',
    symlink('l', 'deep/dir/up/../outside'),
    directory('deep/dir'),
    symlink('deep/dir/up', '../..'),
  ],
  'links in a circle': [/points out/, 'a', symlink('a', 'b/x'), symlink('b', 'a/y')],
  'writing through a link out': [/written through a link/, 'l/kept', symlink('l', '../outside'), file('l/kept')],
  'writing through a link inside': [/written through a link/, 'l/f', directory('d'), symlink('l', 'd'), file('l/f')],
  'a directory through a link': [/written through a link/, 'l/d', symlink('l', '../outside'), directory('l/d')],
  'a link through a link': [/written through a link/, 'l/m', symlink('l', '../outside'), symlink('l/m', 'kept')],
  'a hard link out': [/leaves the directory/, '../outside/kept', hardlink('h', '../outside/kept')],
  'a hard link to an absolute path': [/name is absolute/, '/etc/passwd', hardlink('h', '/etc/passwd')],
  'a hard link to a link': [/no file of the archive/, 'h', symlink('l', '../outside/kept'), hardlink('h', 'l')],
  'a hard link through a link': [/written through a link/, 'h', symlink('l', '../outside'), hardlink('h', 'l/kept')],
  'a hard link to nothing': [/no file of the archive/, 'h', hardlink('h', 'nothing')],
  'a character device': [
    /a device or a pipe/,
    'dev',
    { name: 'dev', type: 'character-device', devmajor: 1, devminor: 3 },
  ],
  'a block device': [/a device or a pipe/, 'dev', { name: 'dev', type: 'block-device', devmajor: 8, devminor: 0 }],
  'a pipe': [/a device or a pipe/, 'fifo', { name: 'fifo', type: 'fifo' }],
  'a file in the place of a directory': [/take the place of a directory/, 'd', directory('d'), file('d')],
  'a file of no name': [/no name/, '.', file('.')],
};

for (const [kind, [message, entry, ...members]] of Object.entries(hostile)) {
  t.test(`${kind} is refused, by name`, async t => {
    const { failed } = await unpackNear(t, members);
    t.match(failed, { code: 'artifact-invalid', message });
    t.ok(failed?.message.includes(`[entry=${entry}]`), failed?.message ?? 'nothing failed');
  });
}

t.test('a link out that is replaced before the end is no harm', async t => {
  const { failed, target } = await unpackNear(t, [symlink('l', '../outside'), file('l')]);
  t.equal(failed, undefined);
  t.ok(lstatSync(join(target, 'l')).isFile());
});

t.test('a file is not written through a link of its own name', async t => {
  const { failed, target } = await unpackNear(t, [symlink('l', '../outside/kept'), file('l')]);
  t.equal(failed, undefined);
  t.equal(readFileSync(join(target, 'l'), 'utf8'), 'evil');
});

t.test('links out are left out where an experiment may have made them, links inside stay', async t => {
  const members = [symlink('out', '/nowhere/ckpt'), symlink('in', 'd/../f'), directory('d'), file('f')];
  const { failed, target } = await unpackNear(t, members, { outwardLinks: 'omit' });
  t.equal(failed, undefined);
  t.same(readdirSync(target).sort(), ['d', 'f', 'in']);
  t.equal(readlinkSync(join(target, 'in')), 'd/../f');
});

t.test('a link to what is not there, inside, is kept', async t => {
  const { failed, target } = await unpackNear(t, [symlink('d/l', '../later/file')]);
  t.equal(failed, undefined);
  t.equal(readlinkSync(join(target, 'd/l')), '../later/file');
});

t.test('no entry gets set-user-id, set-group-id or sticky bits', async t => {
  const { target } = await unpackNear(t, [
    { name: 'suid', mode: 0o6755, content: '' },
    { name: 'sticky', mode: 0o1777, type: 'directory' },
  ]);
  t.equal(statSync(join(target, 'suid')).mode & 0o7777, 0o755);
  t.equal(statSync(join(target, 'sticky')).mode & 0o7777, 0o777);
});

t.test('a directory that may not be written does not stop what comes after it', async t => {
  const { failed, target } = await unpackNear(t, [{ name: 'd', mode: 0o1, type: 'directory' }, file('d/f')]);
  t.equal(failed, undefined);
  t.equal(statSync(join(target, 'd')).mode & 0o7777, 0o1);
  execFileSync('chmod', ['700', join(target, 'd')]);
  t.equal(readFileSync(join(target, 'd/f'), 'utf8'), 'evil');
});

t.test('a link that stands in the directory before is not written through either', async t => {
  const dir = t.testdir({ target: {}, outside: {} });
  symlinkSync('../outside', join(dir, 'target/l'));
  await t.rejects(unpackArchive(bodyOf(await tarOf(file('l/f'))), join(dir, 'target')), { code: 'artifact-invalid' });
  t.notOk(existsSync(join(dir, 'outside/f')));
});

t.test('sparse entries, entries of unknown types and endless names are refused', async t => {
  const plain = await tarOf({ name: 'f', content: 'x' });
  const typed = (type: string, sizeOctal?: string) => {
    const archive = Buffer.from(plain);
    archive.write(type, 156, 'latin1');
    if (sizeOctal) archive.write(sizeOctal, 124, 'latin1');
    archive.write('        ', 148, 'latin1');
    const sum = archive.subarray(0, 512).reduce((total, byte) => total + byte, 0);
    archive.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
    return unpackArchive(bodyOf(archive), t.testdir());
  };
  await t.rejects(typed('S'), { code: 'artifact-invalid', message: /map of a sparse file does not fit/ });
  await t.rejects(typed('Q'), { code: 'artifact-invalid', message: /entries of type "Q" are not unpacked/ });
  await t.rejects(typed('L', '77777777777'), { code: 'artifact-invalid', message: /longer than any name/ });
  await t.rejects(typed('x'), { code: 'artifact-invalid', message: /pax header is damaged/ });
  await t.rejects(typed('0', '000000000x9'), { code: 'artifact-invalid', message: /size of an entry is no number/ });
});
