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
import type { WaitingReport } from './report-queue.ts';

/** Who the reports of an attempt are about, and who sends them. */
export interface ReportOrigin {
  readonly experimentId: string;
  /** Accession id of the attempt. */
  readonly uniqueId: string;
  /** Host. */
  readonly executorId: string;
}

const payloadOf = ({ payload, atMs }: WaitingReport) => {
  const time = timestampFromMs(atMs);
  switch (payload.type) {
    case 'log': {
      const { severity, message, fields = {} } = payload;
      const value = create(LogEntrySchema, { time, severity: LogSeverity[severity], message, fields });
      return { case: 'logging', value } as const;
    }
    case 'progress': {
      const value = create(ProgressSchema, { time, json: payload.json, state: TaskState.Started });
      return { case: 'progress', value } as const;
    }
    case 'state': {
      const { state, error } = payload;
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

/** A report in the JSON mapping of proto3. Source: spec "Reports". */
export const encodeReport = (origin: ReportOrigin, report: WaitingReport): string =>
  toJsonString(
    ReportSchema,
    create(ReportSchema, { time: timestampFromMs(report.atMs), ...origin, payload: payloadOf(report) }),
  );
