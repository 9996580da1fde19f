import t from 'tap';
import { openOutageScene, s3Outages } from '../helpers/outage-scene.ts';
import { standsBack } from '../helpers/suspended.ts';

for (const wakes of ['late', 'together'] as const) {
  for (const kind of ['S3', 'a directory'] as const) {
    t.test(
      `a runner that goes on after its lease, ${wakes === 'late' ? 'late' : 'as its work ends'}: nothing is written over in ${kind}`,
      { timeout: 230_000 },
      async t => {
        const store = kind === 'S3' ? await s3Outages(t) : undefined;
        if (kind === 'S3' && !store) return;
        const scene = await openOutageScene(t, store);
        if (scene) await standsBack(t, scene, wakes);
      },
    );
  }
}
