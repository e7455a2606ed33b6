import { expect } from 'chai';
import { plantedCopy, type PlantedCopy } from './planted-copy.js';

/**
 * A rule that never matches passes in silence. So each fault that the configuration of the checks is there for is planted into a
 * copy of the workspace, and the real configuration has to find it there.
 */

/** Import faults: the file, what stands in it, the rule of .dependency-cruiser.js. */
const IMPORT_FAULTS: readonly (readonly [path: string, text: string, rule: string])[] = [
  ['packages/domain/src/planted.ts', "import 'node:fs';", 'core-knows-no-node'],
  ['packages/engine/src/planted-node.ts', "import 'node:net';", 'core-knows-no-node'],
  ['packages/engine/src/planted-library.ts', "import 'etcd3';", 'library-etcd3'],
  ['packages/drivers/src/planted-type.ts', "import type { Etcd3 } from 'etcd3';\nexport type A = Etcd3;", 'library-etcd3'],
  ['packages/engine/src/planted-bus.ts', "import 'nats';", 'library-nats'],
  ['packages/host/src/planted-log.ts', "import 'winston';", 'library-winston'],
  ['services/manager/src/planted-grpc.ts', "import '@grpc/grpc-js';", 'library-grpc'],
  ['packages/ports/src/planted-zod.ts', "import 'zod';", 'core-has-no-libraries'],
  ['packages/engine/src/planted-cli.ts', "import 'commander';", 'engine-has-schemas-only'],
  ['packages/base/src/planted-up.ts', "import '../../domain/src/index.js';", 'layer-of-base'],
  ['packages/domain/src/planted-up.ts', "import '../../wire/src/index.js';", 'layer-of-domain'],
  ['packages/engine/src/planted-up.ts', "import '../../store-etcd/src/index.js';", 'layer-of-engine'],
  ['packages/rpc/src/planted-beside.ts', "import '../../store-etcd/src/index.js';", 'layer-of-rpc'],
  ['packages/host/src/planted-up.ts', "import '../../rpc/src/index.js';", 'layer-of-host'],
  ['packages/drivers/src/planted-up.ts', "import '../../csi/src/index.js';", 'layer-of-drivers'],
  ['packages/host/src/planted-testkit.ts', "import '../../testkit/src/index.js';", 'testkit-is-for-tests'],
  ['packages/rpc/src/planted-service.ts', "import '../../../services/agent/src/main.js';", 'services-stand-apart'],
  ['services/ctl/src/planted-service.ts', "import '../../agent/src/main.js';", 'services-stand-apart'],
  ['services/agent/src/planted-test.ts', "import '../../../test/tidy/source-tree.js';", 'product-knows-no-scaffolding'],
  ['packages/engine/src/planted-index.ts', "import './index.js';", 'no-own-index'],
  ['packages/engine/src/planted-nothing.ts', "import './there-is-no-such-file.js';", 'resolvable'],
  ['packages/engine/src/planted-cycle-2.ts', "import './planted-cycle-1.js';", 'no-cycle'],
];

/** Faults inside of a file, the rule of ESLint that finds each one, and the file when it matters. */
const CODE_FAULTS: readonly (readonly [text: string, rule: string, path?: string])[] = [
  ['export const at = Date.now();', 'no-restricted-syntax'],
  ['export const at = new Date();', 'no-restricted-syntax'],
  ['export const at = performance.now();', 'no-restricted-syntax'],
  ['export const some = Math.random();', 'no-restricted-syntax'],
  ['setTimeout(() => undefined, 1);', 'no-restricted-syntax'],
  ['globalThis.setInterval(() => undefined, 1);', 'no-restricted-syntax'],
  ['export const signal = AbortSignal.timeout(1);', 'no-restricted-syntax'],
  ["import { setTimeout as wait } from 'node:timers/promises';\nexport { wait };", 'no-restricted-syntax'],
  ["import { randomBytes } from 'node:crypto';\nexport const some = randomBytes(4);", 'no-restricted-syntax'],
  ["export const home = process.env['HOME'];", 'no-restricted-syntax'],
  ["export const home = process.env['HOME'];", 'no-restricted-syntax', 'services/agent/src/planted-environment.ts'],
  ['setTimeout(() => undefined, 1);', 'no-restricted-syntax', 'packages/engine/test/planted-timer.test.ts'],
  ['export function f(): void {\n  Promise.resolve(1);\n}', '@typescript-eslint/no-floating-promises'],
  ['export function f(): void {\n  void Promise.resolve(1);\n}', '@typescript-eslint/no-floating-promises'],
  ['Promise.resolve(1);', '@typescript-eslint/no-floating-promises', 'deploy/dev/planted.mjs'],
  ['export const f = (x: any): string => x;', '@typescript-eslint/no-explicit-any'],
  ['export const f = (x: string | undefined): string => x!;', '@typescript-eslint/no-non-null-assertion'],
  ['// @ts-ignore\nexport const x: number = 1;', '@typescript-eslint/ban-ts-comment'],
  ['export function f(): void {\n  try {\n    f();\n  } catch {}\n}', 'no-empty'],
  [
    "export function f(x: 'a' | 'b'): number | undefined {\n  switch (x) {\n    case 'a':\n      return 1;\n  }\n  return undefined;\n}",
    '@typescript-eslint/switch-exhaustiveness-check',
  ],
  ['export function f(x: number) {\n  return x;\n}', '@typescript-eslint/explicit-module-boundary-types'],
  ["console.log('x');", 'no-console'],
];

const CRUISER = 'dependency-cruiser/bin/dependency-cruise.mjs';

/** The least that the two tools' reports have to hold. */
interface CruiseReport {
  readonly summary: { readonly violations: readonly { readonly from: string; readonly rule: { readonly name: string } }[] };
}
type LintReport = readonly { readonly filePath: string; readonly messages: readonly { readonly ruleId: string | null }[] }[];

describe('planted faults', function () {
  this.timeout(180_000);
  let copy: PlantedCopy;

  before(() => {
    copy = plantedCopy();
  });

  after(() => {
    copy.remove();
  });

  it('are found by the rules of the layers, each by its own', async () => {
    // The other half of a cycle, which is reported once, for either.
    copy.plant('packages/engine/src/planted-cycle-1.ts', "import './planted-cycle-2.js';\n");
    for (const [path, text] of IMPORT_FAULTS) copy.plant(path, `${text}\n`);
    const cruise = ['--config=.dependency-cruiser.js', 'packages', 'services', 'test', 'deploy'];
    const { stdout } = await copy.run(CRUISER, ['--output-type=json', ...cruise]);
    const { violations } = (JSON.parse(stdout) as CruiseReport).summary;
    const found = new Set(violations.map(({ from, rule }) => `${from.replace('-cycle-1', '-cycle-2')}: ${rule.name}`));
    expect(IMPORT_FAULTS.map(([path, , rule]) => `${path}: ${rule}`).filter((fault) => !found.has(fault))).to.deep.equal([]);
    // The report for programs always ends well; the one that npm run check reads does not.
    expect((await copy.run(CRUISER, cruise)).exitCode).to.be.greaterThan(0);
  });

  it('are found by the rules of the code', async () => {
    const files = CODE_FAULTS.map(([text, rule, path], index) => {
      const file = path ?? `packages/engine/src/planted-code-${String(index)}.ts`;
      copy.plant(file, `${text}\n`);
      return { file, text, rule };
    });
    const { exitCode, stdout } = await copy.run('eslint/bin/eslint.js', ['--format=json', ...files.map(({ file }) => file)]);
    const report = JSON.parse(stdout) as LintReport;
    const missed = files.filter(({ file, rule }) => {
      const messages = report.find(({ filePath }) => filePath.endsWith(file))?.messages ?? [];
      return !messages.some(({ ruleId }) => ruleId === rule);
    });
    expect(missed).to.deep.equal([]);
    expect(exitCode).to.equal(1);
  });

  it('are found by the search for dead code', async () => {
    copy.plant('packages/engine/src/planted-dead-file.ts', 'export const unused = 1;\n');
    copy.plant('packages/engine/src/planted-dead-export.ts', 'export const used = 1;\nexport const unused = 2;\n');
    copy.plant('packages/engine/test/planted-dead.test.ts', "import { used } from '../src/planted-dead-export.js';\nused.toFixed();\n");
    const { exitCode, stdout } = await copy.run('knip/bin/knip.js', ['--reporter=compact']);
    expect(stdout).to.match(/packages\/engine\/src\/planted-dead-file\.ts/);
    expect(stdout).to.match(/packages\/engine\/src\/planted-dead-export\.ts: unused/);
    expect(exitCode).to.equal(1);
  });
});
