import type { Test } from 'tap';
import { startFaultProxy } from './fault-proxy.ts';
import { PipelineScene, type SceneStore } from './pipeline-scene.ts';
import { needS3 } from './s3.ts';

/** A scene whose runner gets to its store through a proxy, while the test looks at it directly. */
export const behindFaults = async (t: Test, env: Readonly<Record<string, string>> = {}) => {
  const place = await needS3(t);
  if (!place) return undefined;
  const proxy = await startFaultProxy(place.endpoint);
  t.teardown(() => proxy.close());
  const { accessKey, secretAccessKey } = place.credentials;
  const store: SceneStore = {
    named: {
      endpoint: proxy.endpoint,
      bucket: place.bucket,
      databaseBucket: place.bucket,
      credentials: { aws: { access_key: accessKey, secret_access_key: secretAccessKey } },
    },
    objects: place.open(),
  };
  return { place, proxy, scene: new PipelineScene(t, env, store) };
};
