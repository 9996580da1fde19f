import { metricFamilies, type FamilyRow } from './families.ts';

/** docs/metrics.md */
export const metricsMarkdown = (): string => {
  const rows = Object.entries(metricFamilies).map(
    ([name, { type, labels, help, most }]: [string, FamilyRow]) =>
      `| \`${name}\` | ${type} | ${labels.join(', ')} | ${help}${most === undefined ? '' : ` The newest ${String(most)} series are kept.`} |`,
  );
  return `# Metrics

A runner tells these at \`/metrics\` of \`PROM_ADDRESS\`. The first ones have the names and labels of the Go runner, so that its users'
dashboards go on; \`experiment\` and \`hash\` know no bounds, so of these the oldest series are dropped. The others come from this
project. [deploy/grafana-dashboard.json](../deploy/grafana-dashboard.json) shows them. \`npm run tables\` writes this table.

<!-- prettier-ignore-start -->
| metric | type | labels | what |
|---|---|---|---|
${rows.join('\n')}
<!-- prettier-ignore-end -->
`;
};
