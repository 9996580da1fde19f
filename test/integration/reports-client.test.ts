import { fromBinary, fromJsonString, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import t from 'tap';
import { encodeReport } from '../../lib/reports/encode.ts';
import { file_reports, ReportSchema } from '../../lib/reports/generated/reports_pb.js';
import type { Payload } from '../../lib/reports/report-queue.ts';
import { runClient } from '../helpers/client.ts';
import { needService } from '../helpers/services.ts';

const origin = { experimentId: 'ä "key"/1', uniqueId: 'host-abcdef-123456', executorId: 'host' };
const atMs = Date.UTC(2024, 1, 29, 12, 30, 15, 250);

const payloads: readonly Payload[] = [
  { type: 'log', severity: 'Debug', message: 'scanning queue', fields: { queue_name: 'rmq_q' } },
  { type: 'log', severity: 'Error', message: 'words in ünïcode 🎉 \\ "quoted"' },
  { type: 'log', severity: 'Info', message: '' },
  { type: 'progress', json: '{"loss": 0.5}' },
  { type: 'state', state: 'Started' },
  { type: 'state', state: 'Success' },
  { type: 'state', state: 'Failed', error: { msg: 'exited: exited with code 3', code: 3 } },
  { type: 'state', state: 'Failed', error: { msg: 'artifact-missing: no such object' } },
];
const texts = payloads.map(payload => encodeReport(origin, { payload, atMs }));

interface Answer {
  readonly json: string;
  readonly bytes: string;
}

t.test("protobuf's own library reads every kind of report and writes the same", async t => {
  const python = needService(t, 'TEST_CLIENT_PYTHON');
  if (python === undefined) return;
  const schema = Buffer.from(toBinary(FileDescriptorProtoSchema, file_reports.proto)).toString('base64');
  const input = { python, home: t.testdir(), schema, reports: texts };
  const answers = (await runClient(t, 'reports.py', input)) as readonly Answer[];
  t.equal(answers.length, texts.length);
  for (const [at, { json, bytes }] of answers.entries()) {
    const ours = texts[at] ?? '';
    t.same(JSON.parse(json), JSON.parse(ours), 'the same members, names and values');
    const sent = fromJsonString(ReportSchema, ours);
    t.same(fromJsonString(ReportSchema, json), sent, 'what the library writes is read here');
    t.same(fromBinary(ReportSchema, Buffer.from(bytes, 'base64')), sent, 'the same message in bytes');
  }
});
