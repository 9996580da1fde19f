import type { Level } from '../events.ts';
import { jsonFormat, type EventFormat } from '../json-format.ts';

/** Facility local0; severities of RFC 5424. */
const facility = 16;
const severities: Readonly<Record<Level, number>> = { error: 3, warn: 4, info: 6, debug: 7 };

/** A field of the header: printable ASCII without blanks. */
const field = (text: string, most: number): string => text.replace(/[^\x21-\x7e]/g, '_').slice(0, most) || '-';

/**
 * Events as syslog messages: the event's name is the message id, its JSON the message.
 * @param framed each with its length before it, for TCP; the newline that follows every line is a part of the message
 * Source: RFC 5424, RFC 6587 section 3.4.1.
 */
export const syslogFormat = (runner: string, framed: boolean): EventFormat => {
  const json = jsonFormat(runner);
  return event => {
    const priority = facility * 8 + severities[event.level];
    const head = [
      `<${String(priority)}>1`,
      new Date(event.atMs).toISOString(),
      field(runner, 255),
      'studioml-runner',
      String(process.pid),
      field(event.event, 32),
      '-',
    ].join(' ');
    const message = `${head} ${json(event)}`;
    return framed ? `${String(Buffer.byteLength(message) + 1)} ${message}` : message;
  };
};
