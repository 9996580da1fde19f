import { events } from './events.ts';

/** docs/events.md */
export const eventsMarkdown = (): string => {
  const rows = Object.entries(events).map(([name, { level, when, fields }]) => {
    const named = Object.entries(fields).map(([field, kind]: [string, string]) => `${field} (${kind})`);
    return `| \`${name}\` | ${level} | ${when} | ${named.join(', ')} |`;
  });
  return `# Events

Everything that happens is told as one JSON object a line, to the sinks of \`EVENTS\`: \`time\` (RFC 3339), \`level\`, \`event\`, \`runner\`
(the host's name), whom it is about (\`queue\`, \`experiment\`, \`project\`, \`attempt\`, where there is one), and the event's own fields. Names
that end in Ms are milliseconds, those in Bytes are bytes; a kind with ? may be absent. Events of level debug come with \`DEBUG\`.
\`npm run tables\` writes this table.

<!-- prettier-ignore-start -->
| event | level | when | fields |
|---|---|---|---|
${rows.join('\n')}
<!-- prettier-ignore-end -->
`;
};
