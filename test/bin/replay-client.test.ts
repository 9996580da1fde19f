import { execFile } from 'node:child_process';
import { cpSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';

const root = join(import.meta.dirname, '../..');

/** Replay a recording of the real client, its store stood in for by a directory; the objects of its experiment by file name. */
const replay = async (t: Test, recording: string, from: string, bucket: string) => {
  const directory = t.testdir({ work: {}, store: { [bucket]: { blobstore: {} } } });
  const store = join(directory, 'store');
  cpSync(join(root, 'fixtures/artifacts'), join(store, bucket, 'blobstore'), { recursive: true });
  const args = ['replay', '--store', `${from}=file://${store}`, join(root, 'fixtures/messages', recording)];
  const env = {
    PATH: process.env['PATH'],
    HOME: process.env['HOME'],
    CLEAR_TEXT_MESSAGES: 'true',
    WORKING_DIR: join(directory, 'work'),
  };
  const stdout = await new Promise<string>((resolve, reject) => {
    execFile(join(root, 'bin/runner'), args, { env, timeout: 100_000 }, (error, out, words) => {
      if (error) reject(new Error(`${error.message}\n${out}\n${words}`));
      else resolve(out);
    });
  });
  const [key = ''] = readdirSync(join(store, bucket, 'experiments'));
  const stored = (name: string) => readFileSync(join(store, bucket, 'experiments', key, name), 'latin1');
  return { stdout, stored };
};

for (const [recording, from, bucket] of [
  ['client-rabbitmq.ndjson', 's3://127.0.0.1:9000', 'studio'],
  ['client-directory.ndjson', 'file:///home/user/store', 'storage'],
] as const) {
  t.test(`${recording}: the program gets the arguments that the person gave`, async t => {
    const { stdout, stored } = await replay(t, recording, from, bucket);
    t.match(stdout, /accept +completed +(rmq|local)_client/);
    t.match(stored('output.tar'), `with the arguments ['a b', "it's", 'x$HOME']`);
  });
}

t.test('client-completion.ndjson: the service reads its two files and stores its result', async t => {
  const { stdout, stored } = await replay(t, 'client-completion.ndjson', 'file:///home/user/store', 'storage');
  t.match(stdout, /accept +completed +local_/);
  t.match(stored('retval.tar'), '"result": 42');
});
