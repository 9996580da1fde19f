import { randomUUID } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, readlinkSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buffer, text } from 'node:stream/consumers';
import { extract } from 'tar-stream';
import type { Test } from 'tap';
import { buildRequest, type RequestParts, type RequestStore } from '../../lib/request/build-request.ts';
import { createDirectoryStore } from '../../lib/storage/directory.ts';
import type { ObjectStore } from '../../lib/storage/object-store.ts';
import { RunnerProcess, type EventLine } from './runner-process.ts';
import { bodyOf, tarOf, type TarMember } from './tars.ts';

/** A directory queue of the runner. */
export const sceneQueue = 'local_bad';

/** The store of a scene: as requests name it, and as the test looks at it. */
export interface SceneStore {
  readonly named: RequestStore;
  readonly objects: ObjectStore;
}

/** What is said of an experiment, beside what every one has. `program`: the text of main.py. */
export type SceneRequest = Partial<Omit<RequestParts, 'key' | 'timeAddedMs'>> & {
  readonly program?: string;
  /** The packed workspace, where it is not one that holds `program`. */
  readonly workspace?: Buffer | readonly TarMember[];
};

export interface DeadLetter {
  readonly name: string;
  readonly body: Buffer;
  readonly reason: string;
  readonly message: string;
}

export interface ScrapedMetadata {
  readonly studioml: {
    readonly status: string;
    readonly experiment: { readonly key: string };
    readonly log: readonly { readonly msg: string }[];
    readonly [member: string]: unknown;
  };
  readonly [member: string]: unknown;
}

const filesOf = async (archive: Buffer): Promise<Map<string, Buffer>> => {
  const files = new Map<string, Buffer>();
  for await (const entry of bodyOf(archive, 64 * 1024).pipe(extract()))
    files.set(entry.header.name, await buffer(entry));
  return files;
};

/** A process of this machine that works below `directory`, or was started for an experiment there. */
const belongsTo = (directory: string) => (pid: string) => {
  try {
    if (readlinkSync(`/proc/${pid}/cwd`).startsWith(directory)) return true;
    return readFileSync(`/proc/${pid}/environ`, 'latin1').includes(`STUDIOML_HOME=${directory}`);
  } catch {
    return false;
  }
};

/** The real runner on a directory queue and a store, and what it leaves. */
export class PipelineScene {
  readonly runner: RunnerProcess;
  readonly store: SceneStore;
  readonly #root: string;
  readonly #env: Readonly<Record<string, string>>;
  #sent = 0;

  constructor(t: Test, env: Readonly<Record<string, string>> = {}, store?: SceneStore, args: readonly string[] = []) {
    this.#root = t.testdir({ queues: { [sceneQueue]: {} }, work: {}, store: { storage: {}, db: {} } });
    const directory = join(this.#root, 'store');
    this.store = store ?? {
      named: { endpoint: directory, bucket: 'storage', databaseBucket: 'db' },
      objects: createDirectoryStore({ root: join(directory, 'storage') }),
    };
    this.#env = {
      QUEUE_ROOT: join(this.#root, 'queues'),
      QUEUE_MATCH: `^${sceneQueue}$`,
      WORKING_DIR: join(this.#root, 'work'),
      CLEAR_TEXT_MESSAGES: 'true',
      MAX_ATTEMPTS: '1',
      TERMINATION_GRACE: '1s',
      ...env,
    };
    this.runner = new RunnerProcess(this.#env, args);
    t.teardown(() => this.runner.stop());
  }

  /** Another runner in the same place, with some of its options changed. */
  restarted(t: Test, env: Readonly<Record<string, string>> = {}): RunnerProcess {
    const runner = new RunnerProcess({ ...this.#env, ...env });
    t.teardown(() => runner.stop());
    return runner;
  }

  /** A message as it is. Out: its name. */
  send(body: string | Buffer): string {
    const name = `${String(++this.#sent)}-message`;
    const draft = join(this.#root, name);
    writeFileSync(draft, body);
    renameSync(draft, join(this.#root, 'queues', sceneQueue, name));
    return name;
  }

  /** A request whose workspace is in the store. */
  async request({ program, workspace, ...parts }: SceneRequest): Promise<{ key: string; body: string }> {
    const key = randomUUID();
    const workspaceKey = `workspaces/${key}.tar`;
    const members = workspace ?? [{ name: 'main.py', content: program ?? "print('it ran')\n" }];
    await this.store.objects.put(workspaceKey, Buffer.isBuffer(members) ? members : await tarOf(...members));
    const request = buildRequest({
      key,
      filename: 'main.py',
      workspaceKey,
      store: this.store.named,
      timeAddedMs: Date.now(),
      ...parts,
    });
    return { key, body: JSON.stringify(request) };
  }

  /** Send a request. Out: its key. */
  async submit(request: SceneRequest): Promise<string> {
    const { key, body } = await this.request(request);
    this.send(body);
    return key;
  }

  /** The first event so far, or from now on, that `matches`. */
  async event(matches: (event: EventLine) => boolean, timeoutMs = 60_000): Promise<EventLine> {
    const found = this.runner.events.find(matches) ?? (await this.runner.next(matches, 1, timeoutMs))[0];
    if (!found) throw new Error('no such event');
    return found;
  }

  /** How the message of this experiment was settled; without a key: the first that never became a request. */
  settled(key: string | undefined, timeoutMs?: number): Promise<EventLine> {
    return this.event(event => event.event === 'settled' && event.experiment === key, timeoutMs);
  }

  /** An experiment that does nothing wrong, to its end: its settlement and what it printed. */
  async runGood(): Promise<{ cause: unknown; output: string }> {
    const key = await this.submit({});
    const { cause } = await this.settled(key);
    return { cause, output: (await this.output(key)).toString() };
  }

  /** The file output/output as stored. */
  async output(key: string): Promise<Buffer> {
    const { body } = await this.store.objects.get(`experiments/${key}/output.tar`);
    const content = (await filesOf(await buffer(body))).get('output');
    if (!content) throw new Error('the output artifact has no file output');
    return content;
  }

  /** The stored metadata document of an experiment; of several attempts that of the last. */
  async metadata(key: string): Promise<ScrapedMetadata> {
    let last: ScrapedMetadata | undefined;
    for await (const object of this.store.objects.list('metadata/scrape-host-')) {
      const { body } = await this.store.objects.get(object.key);
      const document = JSON.parse(await text(body)) as ScrapedMetadata;
      if (document.studioml.experiment.key === key) last = document;
    }
    if (!last) throw new Error(`no metadata document [experiment=${key}]`);
    return last;
  }

  deadLetters(): DeadLetter[] {
    const directory = join(this.#root, 'queues', '.dead', sceneQueue);
    if (!existsSync(directory)) return [];
    const names = readdirSync(directory).filter(name => !name.endsWith('.json'));
    return names.map(name => {
      const letter = JSON.parse(readFileSync(join(directory, `${name}.json`), 'utf8')) as DeadLetter;
      return { name, body: readFileSync(join(directory, name)), reason: letter.reason, message: letter.message };
    });
  }

  /** The directory of the queue's responses; a test makes it. */
  get responses(): string {
    return join(this.#root, 'queues', `${sceneQueue}_response`);
  }

  /** The requests as they were stored beside the metadata documents. */
  async storedRequests(): Promise<string[]> {
    const texts: string[] = [];
    for await (const { key } of this.store.objects.list('metadata/request-host-')) {
      texts.push(await text((await this.store.objects.get(key)).body));
    }
    return texts;
  }

  /** Messages that lie in the queue, in nobody's hands. */
  waiting(): string[] {
    return readdirSync(join(this.#root, 'queues', sceneQueue)).filter(name => !name.startsWith('.'));
  }

  /** Messages that are in the hands of a runner. */
  claimed(): string[] {
    const claims = join(this.#root, 'queues', '.claims', sceneQueue);
    return readdirSync(claims).flatMap(runner => readdirSync(join(claims, runner)).filter(name => /^\d/.test(name)));
  }

  /** Whether an attempt that is there has this file below its directory. */
  attemptHas(file: string): boolean {
    const experiments = join(this.#root, 'work', 'studioml-runner', 'experiments');
    return existsSync(experiments) && readdirSync(experiments).some(name => existsSync(join(experiments, name, file)));
  }

  /** What lies in the runner's working directory, bytes. */
  workBytes(): number {
    const files = readdirSync(join(this.#root, 'work'), { recursive: true, withFileTypes: true });
    return files.reduce((sum, one) => sum + (one.isFile() ? statSync(join(one.parentPath, one.name)).size : 0), 0);
  }

  /** Directories of attempts that are still there, and processes that experiments left. */
  leftovers(): string[] {
    const work = join(this.#root, 'work');
    const directories = readdirSync(work)
      .map(home => join(work, home, 'experiments'))
      .filter(experiments => existsSync(experiments))
      .flatMap(experiments => readdirSync(experiments));
    const processes = readdirSync('/proc').filter(name => /^\d+$/.test(name) && name !== String(this.runner.pid));
    return [...directories, ...processes.filter(belongsTo(work)).map(pid => `process ${pid}`)];
  }

  /** The most resident memory of the runner while `work` goes on, bytes; looked at every 50 ms. */
  async peakBytes(work: Promise<unknown>): Promise<number> {
    let peak = this.runner.residentBytes;
    const timer = setInterval(() => {
      peak = Math.max(peak, this.runner.residentBytes);
    }, 50);
    await work.finally(() => {
      clearInterval(timer);
    });
    return peak;
  }
}
