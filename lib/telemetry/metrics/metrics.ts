import { metricFamilies, type FamilyRow, type MetricLabels, type MetricName } from './families.ts';

/** Numbers by name and labels, and their text as Prometheus reads it. Calls never throw; what is kept is bounded. */
export interface Metrics {
  add<N extends MetricName>(name: N, labels: MetricLabels<N>, by?: number): void;
  set<N extends MetricName>(name: N, labels: MetricLabels<N>, value: number): void;
  /** Count a value in a histogram. */
  observe<N extends MetricName>(name: N, labels: MetricLabels<N>, value: number): void;
  /** Called before each reading. */
  onCollect(collect: () => void): void;
  /** The text format, version 0.0.4. */
  text(): string;
}

interface Series {
  readonly labels: string;
  value: number;
  /** Of a histogram: how many fell into each bucket, not added up. */
  readonly counts: number[];
  count: number;
}

const defaultMost = 1000;
const longestLabel = 200;

const escapeHelp = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
const escapeLabel = (text: string): string => escapeHelp(text.slice(0, longestLabel)).replaceAll('"', '\\"');
const joined = (labels: Readonly<Record<string, string>>, order: readonly string[]): string =>
  order.map(name => `${name}="${escapeLabel(labels[name] ?? '')}"`).join(',');
const braces = (labels: string): string => (labels === '' ? '' : `{${labels}}`);

class Family {
  readonly #name: string;
  readonly #row: FamilyRow;
  /** The one that was changed last stands last. */
  readonly #series = new Map<string, Series>();

  constructor(name: string, row: FamilyRow) {
    this.#name = name;
    this.#row = row;
    // Without labels there is one series, and it is there from the start.
    if (row.labels.length === 0 && row.type !== 'gauge') this.of({});
  }

  of(labels: Readonly<Record<string, string>>): Series {
    const key = joined(labels, this.#row.labels);
    const found = this.#series.get(key);
    const series: Series = found ?? {
      labels: key,
      value: 0,
      counts: (this.#row.buckets ?? []).map(() => 0),
      count: 0,
    };
    if (found) this.#series.delete(key);
    else if (this.#series.size >= (this.#row.most ?? defaultMost)) this.#dropOne();
    this.#series.set(key, series);
    return series;
  }

  observe(labels: Readonly<Record<string, string>>, value: number): void {
    const series = this.of(labels);
    series.value += value;
    series.count += 1;
    const bucket = (this.#row.buckets ?? []).findIndex(bound => value <= bound);
    if (bucket >= 0) series.counts[bucket] = (series.counts[bucket] ?? 0) + 1;
  }

  lines(): string[] {
    const { type, help } = this.#row;
    const head = [`# HELP ${this.#name} ${escapeHelp(help)}`, `# TYPE ${this.#name} ${type}`];
    const body = [...this.#series.values()].flatMap(one =>
      type === 'histogram' ? this.#histogram(one) : [`${this.#name}${braces(one.labels)} ${String(one.value)}`],
    );
    return [...head, ...body];
  }

  #histogram({ labels, counts, count, value }: Series): string[] {
    const first = labels === '' ? '' : `${labels},`;
    let below = 0;
    const buckets = (this.#row.buckets ?? []).map((bound, index) => {
      below += counts[index] ?? 0;
      return `${this.#name}_bucket{${first}le="${String(bound)}"} ${String(below)}`;
    });
    return [
      ...buckets,
      `${this.#name}_bucket{${first}le="+Inf"} ${String(count)}`,
      `${this.#name}_sum${braces(labels)} ${String(value)}`,
      `${this.#name}_count${braces(labels)} ${String(count)}`,
    ];
  }

  /** The oldest goes; of gauges one that is 0, where there is one: what runs for long is not forgotten for what ended. */
  #dropOne(): void {
    const keys = [...this.#series.keys()];
    const zero = keys.find(key => this.#series.get(key)?.value === 0);
    this.#series.delete((this.#row.type === 'gauge' ? zero : undefined) ?? keys[0] ?? '');
  }
}

/** Metrics that are all zero yet. */
export const createMetrics = (): Metrics => {
  const families = new Map(
    Object.entries(metricFamilies).map(([name, row]: [string, FamilyRow]) => [name, new Family(name, row)] as const),
  );
  const of = (name: MetricName): Family => families.get(name) as Family;
  const collectors: (() => void)[] = [];
  return {
    add: (name, labels, by = 1) => {
      of(name).of(labels).value += by;
    },
    set: (name, labels, value) => {
      of(name).of(labels).value = value;
    },
    observe: (name, labels, value) => {
      of(name).observe(labels, value);
    },
    onCollect: collect => {
      collectors.push(collect);
    },
    text: () => {
      for (const collect of collectors) collect();
      return `${[...families.values()].flatMap(family => family.lines()).join('\n')}\n`;
    },
  };
};
