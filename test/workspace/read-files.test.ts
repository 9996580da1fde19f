import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';
import { toBytes } from '../../lib/workspace/byte-path.ts';
import { bodyOfFile } from '../../lib/workspace/read-files.ts';

t.test('a file that went is left out', t => {
  t.equal(bodyOfFile(toBytes(join(t.testdir(), 'gone'))), undefined);
  t.end();
});

t.test('a process without a free descriptor has files left out of nothing', t => {
  const directory = t.testdir({ small: 'it is there', large: Buffer.alloc(2 << 20) });
  const lib = join(import.meta.dirname, '../../lib/workspace');
  const program = `
    import { openSync } from 'node:fs';
    import { bodyOfFile } from '${lib}/read-files.ts';
    import { packDirectory } from '${lib}/pack.ts';
    import { listDirectory } from '${lib}/list-directory.ts';
    const found = await listDirectory('${directory}');
    const told = {};
    const tell = name => error => { told[name] = error.code; };
    try { for (;;) openSync('/dev/null'); } catch {}
    try { bodyOfFile('${directory}/small'); } catch (error) { tell('body')(error); }
    for (const { path } of found) {
      const one = found.filter(other => other.path === path);
      const packed = await packDirectory('${directory}', 'key.tar', one).catch(tell(path));
      if (packed && !Buffer.isBuffer(packed)) try { for await (const _ of packed); } catch (error) { tell(path)(error); }
    }
    console.log(JSON.stringify(told));
  `;
  const node = `exec "$0" --input-type=module -e "$1"`;
  const printed = execFileSync('sh', ['-c', `ulimit -n 64; ${node}`, process.execPath, program], { encoding: 'utf8' });
  t.strictSame(JSON.parse(printed), { body: 'unavailable', large: 'unavailable', small: 'unavailable' });
  t.end();
});
