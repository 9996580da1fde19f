import { readFile } from 'node:fs/promises';
import { once } from 'node:events';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import type { Test } from 'tap';
import { needS3 } from './s3.ts';
import { needService } from './services.ts';

/** The server that speaks TLS, over the same buckets, and the files that go with it. */
export const needTls = async (t: Test) => {
  const place = await needS3(t);
  if (!place) return undefined;
  const [url, files] = [needService(t, 'TEST_S3_TLS_URL'), needService(t, 'TEST_S3_TLS_FILES')];
  if (url === undefined || files === undefined) return undefined;
  return { place, endpoint: new URL(url).origin, file: (name: string) => join(files, name) };
};

/** A way to `target` that only clients with a certificate of the authority may go. */
export const behindCertificates = async (t: Test, target: URL, file: (name: string) => string): Promise<string> => {
  const [cert, key, ca] = await Promise.all(['server.crt', 'server.key', 'ca.crt'].map(name => readFile(file(name))));
  const sockets = new Set<Socket>();
  const server = createServer({ cert, key, ca: ca ?? '', requestCert: true, rejectUnauthorized: true }, socket => {
    const upstream = connect(Number(target.port), target.hostname);
    upstream.on('error', () => socket.destroy()).on('close', () => socket.destroy());
    socket.on('error', () => upstream.destroy()).on('close', () => upstream.destroy());
    socket.pipe(upstream).pipe(socket);
    sockets.add(socket.on('close', () => sockets.delete(socket)));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return `https://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
};
