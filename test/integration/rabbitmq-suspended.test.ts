import t from 'tap';
import { openOutageScene, s3Outages } from '../helpers/outage-scene.ts';
import { standsBack } from '../helpers/suspended.ts';

t.test(
  'a runner that is stopped past its lease finds its work with another, and stores nothing over it in S3',
  { timeout: 230_000 },
  async t => {
    const store = await s3Outages(t);
    const scene = store && (await openOutageScene(t, store));
    if (scene) await standsBack(t, scene, 'late');
  },
);
