import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import ts from 'typescript';
import { breach } from '../lint/layers.ts';

const root = path.dirname(import.meta.dirname);

interface Import {
  readonly specifier: string;
  /** From the root, for a file of the project. */
  readonly target: string;
  readonly isPackage: boolean;
  readonly line: number;
}

/** All imports of a file: static, for types only, re-exports and dynamic ones with a literal. */
const importsOf = (file: string, source: string): Import[] => {
  const { importedFiles } = ts.preProcessFile(source, true, true);
  return importedFiles.map(({ fileName: specifier, pos }) => {
    const isPackage = !/^\.{1,2}\//.test(specifier);
    const target = isPackage ? specifier : path.posix.join(path.posix.dirname(file), specifier);
    return { specifier, target, isPackage, line: source.slice(0, pos).split('\n').length };
  });
};

const breaches = (file: string, source: string): string[] =>
  importsOf(file, source).flatMap(({ specifier, target, isPackage, line }) => {
    const broken = breach(file, target, isPackage);
    return broken === undefined ? [] : `${file}:${line} imports '${specifier}': ${broken}`;
  });

t.test('every import follows the arrows', async t => {
  const files = globSync('{lib,pipelines,bin}/**/*.{ts,js}', { cwd: root }).sort();
  t.ok(files.length > 20, 'the code was found');
  t.strictSame(
    files.flatMap(file => breaches(file, readFileSync(path.join(root, file), 'utf8'))),
    [],
  );
});

const rows: readonly [file: string, source: string, expected: RegExp | undefined][] = [
  ['lib/model/a.ts', "import type { B } from './b.ts';", undefined],
  ['lib/model/a.ts', "import type { Readable } from 'node:stream';", undefined],
  ['lib/model/a.ts', "import { of } from 'rxjs';", /model imports no packages/],
  ['lib/model/a.ts', "import type { E } from '../errors.ts';", /model may import only itself, not errors/],
  ['lib/errors.ts', "import { pull } from './flow/pull.ts';", /errors may import model, not flow/],
  ['lib/flow/a.ts', "import type { Ledger } from '../resources/ledger.ts';", /flow may import .*, not drivers/],
  ['lib/queues/a.ts', "export * from '../stages/admit.ts';", /drivers may import .*, not stages/],
  ['lib/queues/rabbitmq.ts', "import { b } from './rabbitmq/channel.ts';", undefined],
  ['lib/stages/a.ts', "import { parse } from './parse.ts';", /sees no sibling stage/],
  ['lib/stages/settle.ts', "import { settlements } from './settlements.ts';", undefined],
  ['lib/stages/a.ts', "import type { Queue } from '../queues/queue.ts';", undefined],
  ['lib/stages/a.ts', "\n\nconst s3 = await import('../storage/s3.ts');", /a\.ts:3 .*see concrete drivers/],
  ['lib/workspace/a.ts', "import { S3 } from '../storage/s3.ts';", /see concrete drivers/],
  ['lib/workspace/a.ts', "import { spawn } from 'node:child_process';", /started by lib\/resources\/child-process\.ts/],
  ['lib/resources/child-process.ts', "import * as node from 'node:child_process';", undefined],
  ['bin/a.ts', "const { fork } = await import('child_process');", /started by/],
  ['pipelines/attempt.ts', "import { S3 } from '../lib/storage/s3.ts';", /see concrete drivers/],
  ['pipelines/drivers.ts', "import { S3 } from '../lib/storage/s3.ts';", undefined],
  ['pipelines/drivers.ts', "import { serve } from '../bin/serve.ts';", /pipelines may import .*, not bin/],
  ['bin/serve.ts', "import { gate } from '../test/helpers/gate.ts';", /not in lib, pipelines or bin/],
];

for (const [file, source, expected] of rows) {
  t.test(`${file}: ${source.trim()} is ${expected === undefined ? 'allowed' : 'a breach'}`, async t => {
    const found = breaches(file, source);
    if (expected === undefined) t.strictSame(found, []);
    else t.match(found, [expected]);
  });
}
