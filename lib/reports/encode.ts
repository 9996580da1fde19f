import { create, toJsonString } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import {
  LogEntrySchema,
  LogSeverity,
  Progress_ErrorSchema,
  ProgressSchema,
  ReportSchema,
  TaskState,
} from './generated/reports_pb.js';
import { redactDeep } from '../telemetry/redact.ts';
import type { WaitingReport } from './report-queue.ts';

/** Who the reports of an attempt are about, and who sends them. */
export interface ReportOrigin {
  readonly experimentId: string;
  /** Accession id of the attempt. */
  readonly uniqueId: string;
  /** Host. */
  readonly executorId: string;
}

type Redact = (text: string) => string;

const payloadOf = ({ payload, atMs }: WaitingReport, redact: Redact) => {
  const time = timestampFromMs(atMs);
  switch (payload.type) {
    case 'log': {
      const { severity } = payload;
      const { message, fields } = redactDeep({ message: payload.message, fields: payload.fields ?? {} }, redact);
      const value = create(LogEntrySchema, { time, severity: LogSeverity[severity], message, fields });
      return { case: 'logging', value } as const;
    }
    case 'progress': {
      const value = create(ProgressSchema, { time, json: redact(payload.json), state: TaskState.Started });
      return { case: 'progress', value } as const;
    }
    case 'state': {
      const { state } = payload;
      const error = redactDeep(payload.error, redact);
      const value = create(ProgressSchema, {
        time,
        state: TaskState[state],
        ...(error && { error: create(Progress_ErrorSchema, error) }),
      });
      return { case: 'progress', value } as const;
    }
    default:
      return payload satisfies never;
  }
};

/**
 * A report in the JSON mapping of proto3. Source: spec "Reports".
 * @param redact takes secrets out of texts that come from elsewhere; the report's own names and words stay, whatever a secret is
 */
export const encodeReport = (
  { experimentId, uniqueId, executorId }: ReportOrigin,
  report: WaitingReport,
  redact: Redact = text => text,
): string =>
  toJsonString(
    ReportSchema,
    create(ReportSchema, {
      time: timestampFromMs(report.atMs),
      experimentId: redact(experimentId),
      uniqueId,
      executorId,
      payload: payloadOf(report, redact),
    }),
  );
