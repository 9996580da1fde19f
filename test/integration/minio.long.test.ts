/** The S3 driver on MinIO, beside the server of the other tests: it does several things in its own way. */
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import t from 'tap';
import { createEventBus } from '../../lib/telemetry/events.ts';
import { objectStoreContract } from '../contracts/object-store.ts';
import { poured } from '../helpers/poured.ts';
import { startMinio } from '../helpers/private-minio.ts';
import { freshBucket } from '../helpers/s3.ts';

const address = await startMinio(t);
if (address !== undefined) {
  objectStoreContract(t, async t => {
    const own = await freshBucket(t, address);
    t.teardown(async () => {
      if ((await own.unfinishedUploads()) > 0) throw new Error('parts are left behind');
    });
    return own.open();
  });

  t.test('who is not known is denied, what is not there is missing', async t => {
    const own = await freshBucket(t, address);
    const guessed = { ...own.credentials, secretAccessKey: 'guessed-secret' };
    for (const credentials of [guessed, { type: 'anonymous' as const }]) {
      await t.rejects(own.open({ credentials }).put('k', Buffer.from('x')), { code: 'denied' });
    }
    await t.rejects(own.open().get('k'), { code: 'missing' });
    await t.rejects(own.open({ bucket: 'no-such-bucket-here' }).get('k'), { code: 'missing', message: /NoSuchBucket/ });
  });

  t.test('what is public is read without keys', async t => {
    const own = await freshBucket(t, address);
    await own.open().put('k', Buffer.from('for everybody'));
    await own.publish();
    const { body } = await own.open({ credentials: { type: 'anonymous' } }).get('k');
    t.equal(Buffer.concat(await body.toArray()).toString(), 'for everybody');
  });

  t.test('an upload that fails is taken away at once', async t => {
    const own = await freshBucket(t, address);
    const body = Readable.from(
      (function* () {
        yield randomBytes(20 * 2 ** 20);
        throw new Error('the source fails');
      })(),
      { objectMode: false },
    );
    const onLeft = () => t.fail('it is not left');
    await t.rejects(own.open().put('large', body, { onLeft }), { message: 'the source fails' });
    t.equal(await own.unfinishedUploads(), 0);
  });

  t.test('large objects, stored at once and in parts, are received by a thread and compared', async t => {
    const own = await freshBucket(t, address);
    const { emit } = createEventBus();
    for (const bytes of [randomBytes(5 * 2 ** 20), randomBytes(20 * 2 ** 20)]) {
      await own.open().put('large', Readable.from([bytes], { objectMode: false }));
      const object = await own.open().get('large');
      object.body.destroy();
      t.ok(object.check?.digest, 'it tells a digest');
      const got = await poured(own.open(), 'large', { emit });
      t.ok(got.bytes.equals(bytes));
      t.equal(got.gets, 1, 'by the thread');
    }
  });
}
