import t from 'tap';
import { fullReference, imageOf, isTrusted } from '../../lib/executors/image.ts';
import type { Artifact } from '../../lib/model/experiment.ts';

const artifact = (label: string, qualified: string, key?: string): Artifact => ({
  label,
  qualified,
  mutable: false,
  unpack: false,
  ...(key === undefined ? {} : { key }),
});
const asked = (...artifacts: Artifact[]) => imageOf({ artifacts: new Map(artifacts.map(one => [one.label, one])) });

for (const [qualified, type] of [
  ['dockerhub://tensorflow/tensorflow:2.4.0', 'reference'],
  ['docker://busybox', 'reference'],
  ['registry.local:5000/team/image@sha256:00', 'reference'],
  ['shub://org/image', 'shub'],
  ['s3://host/bucket/images/one.sif', 'sif'],
  ['file:///images/one.SIMG', 'sif'],
  ['s3://host/bucket/images/one.tar.gz', 'archive'],
] as const)
  t.test(`${qualified} is a ${type}`, t => {
    t.equal(asked(artifact('_container', qualified))?.type, type);
    t.end();
  });

t.test('the label _container comes before _singularity, and both before an image elsewhere', t => {
  const hub = artifact('data', 'dockerhub://c');
  const old = artifact('_singularity', 'dockerhub://b');
  t.match(asked(hub, old, artifact('_container', 'dockerhub://a')), { reference: 'a' });
  t.match(asked(hub, old), { reference: 'b' });
  t.match(asked(hub), { reference: 'c' });
  t.equal(asked(artifact('workspace', 's3://host/bucket/key.tar')), undefined);
  t.end();
});

t.test('a reference is completed as engines do it', t => {
  t.equal(fullReference('busybox'), 'docker.io/library/busybox:latest');
  t.equal(fullReference('a/b:1'), 'docker.io/a/b:1');
  t.equal(fullReference('localhost/b'), 'localhost/b:latest');
  t.equal(fullReference('host:5000/b'), 'host:5000/b:latest');
  t.equal(fullReference('host:5000/b@sha256:00'), 'host:5000/b@sha256:00');
  t.end();
});

t.test('only images that a pattern names are trusted, where there are patterns', t => {
  const trusts = (qualified: string, ...patterns: string[]) => {
    const image = asked(artifact('_container', qualified));
    return image !== undefined && isTrusted(image, patterns, [qualified]);
  };
  t.ok(trusts('dockerhub://any/thing'));
  t.ok(trusts('dockerhub://tensorflow/tensorflow:2.4', 'other/*', 'tensorflow/*'));
  t.ok(trusts('tensorflow/tensorflow:2.4', 'docker.io/tensorflow/tensorflow'));
  t.ok(trusts('busybox', 'busybox'));
  t.ok(trusts('busybox', 'dockerhub://busybox'));
  t.ok(trusts('s3://host/images/one.tar', 's3://host/images/*'));
  t.notOk(trusts('evil.host/tensorflow/tensorflow', 'tensorflow/*'));
  t.notOk(trusts('tensorflowx/image', 'tensorflow/*'));
  t.notOk(trusts('busybox:evil', 'busybox:1'));
  t.notOk(trusts('s3://host/images/one.tar', 'busybox'));
  t.notOk(trusts('s3://host/images/one.tar', 'dockerhub://*'), 'a pattern of references names no archive');
  t.end();
});
