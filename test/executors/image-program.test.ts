import t from 'tap';
import { trustedImage } from '../../lib/executors/image-program.ts';
import type { StagedAttempt } from '../../lib/model/attempt.ts';
import type { Artifact, Request } from '../../lib/model/experiment.ts';
import { locate } from '../../lib/storage/locate.ts';

const stores = { allowEnvSecrets: false, allowRunnerCredentials: true, fileRoots: [] };

const trusted = (pattern: string, qualified: string, more: Partial<Artifact> = {}) => {
  const artifact = { label: '_container', mutable: false, unpack: false, qualified, ...more };
  const request = { artifacts: new Map([['_container', artifact]]), env: {} } as unknown as Request;
  return trustedImage({ request } as StagedAttempt, {
    imageAllow: [pattern],
    locate: one => locate(one, request, 'directory', stores),
  });
};

for (const [pattern, qualified, more] of [
  ['s3://host:9000/images/*', 's3://host:9000/images/one.tar', {}],
  ['s3://host:9000/images/*', 's3://host:9000/images/one.tar', { bucket: 'images', key: 'one.tar' }],
  ['s3://host:9000/images/*', 's3://host:9000', { bucket: 'images', key: 'one.sif' }],
  ['s3://images.s3.amazonaws.com/*', 's3://images.s3.amazonaws.com/one.tar', { key: 'one.tar' }],
  ['s3://s3.us-east-1.amazonaws.com/images/*', 's3://images.s3.amazonaws.com/one.tar', {}],
  ['gs://images/*', 'gs://images/one.tar', {}],
  ['gs://images/*', 'gs://other', { bucket: 'images', key: 'one.sif' }],
  ['file:///srv/images/*', 'file:///srv/images/one.sif', {}],
  ['file:///srv/images/*', 'file:///srv/other/../images/one.tar', {}],
  ['file://srv/images/*', 'file://srv/images/one.tar', {}],
  ['https://host/images/*', 'https://me:pass-word@host/images/one.tar?X-Amz-Signature=abc', {}],
] as const)
  t.test(`${pattern} trusts ${qualified} ${JSON.stringify(more)}`, async t => {
    t.ok(trusted(pattern, qualified, more));
  });

for (const [pattern, qualified, more] of [
  ['s3://host/images/*', 's3://host/images/one.tar', { bucket: 'evil' }],
  ['s3://host/images/one.tar', 's3://host/images/one.tar', { key: 'evil.tar' }],
  ['s3://host/images/*', 's3://host/images/one.sif', { bucket: 'evil', key: 'one.sif' }],
  ['s3://images.s3.amazonaws.com/*', 's3://images.s3.amazonaws.com/one.tar', { bucket: 'evil' }],
  ['s3://host/images/*', 's3://host/images/../evil/one.tar', {}],
  ['gs://images/*', 'gs://images/one.tar', { bucket: 'evil' }],
  ['gs://images/good/*', 'gs://images/good/one.sif', { key: 'evil.sif' }],
  ['file:///srv/images/*', 'file:///srv/images/../evil/one.tar', {}],
  ['file:///srv/images/*', 'file:///srv/images/%2e%2e/evil/one.sif', {}],
  ['file://srv/images/*', 'file://srv/images/../evil/one.tar', {}],
  ['https://host/images/*', 'https://host/images/../evil.tar', {}],
  ['https://host/images/*', 'https://host/images/..%2Fevil.tar', {}],
  ['https://host/images', 'https://host/images?of=evil', {}],
] as const)
  t.test(`${pattern} does not trust ${qualified} ${JSON.stringify(more)}`, async t => {
    t.throws(() => trusted(pattern, qualified, more), { code: 'image-denied' });
  });

t.test('a refusal tells no password and no signature', async t => {
  t.throws(() => trusted('busybox', 'https://me:pass-word@host/one.tar?X-Amz-Signature=abc'), {
    code: 'image-denied',
    message: /^(?!.*(pass-word|abc)).*image=https:\/\/host\/one.tar/s,
  });
});
