import { checkNode, ensureDependencies } from './setup/dependencies.mjs';
import { failWith, messageOf, run, SetupError } from './setup/process.mjs';
import { dependencyFile, ROOT } from './setup/workspace.mjs';

/**
 * `npm run check`: everything that is checked without running the product. All stages run, also after a failed one; it closes with
 * `N passed, N failed`. `npm run check -- lint types` runs those stages only.
 *
 * @typedef {readonly [packageName: string, bin: string, ...args: string[]]} Tool
 */

/** Cheap ones first. @type {Readonly<Record<string, readonly Tool[]>>} */
const STAGES = {
  format: [['prettier', 'bin/prettier.cjs', '--check', '--log-level=warn', '.']],
  types: [
    ['typescript', 'bin/tsc', '-b'],
    ['typescript', 'bin/tsc', '-p', 'tsconfig.test.json'],
  ],
  lint: [['eslint', 'bin/eslint.js', '--max-warnings=0', '.']],
  layers: [
    ['dependency-cruiser', 'bin/dependency-cruise.mjs', '--config', '.dependency-cruiser.js', 'packages', 'services', 'test', 'deploy'],
  ],
  'dead-code': [['knip', 'bin/knip.js']],
  tidy: [['mocha', 'bin/mocha.js', '--forbid-only', 'test/tidy/**/*.test.ts']],
};

try {
  checkNode();
  await ensureDependencies((line) => {
    console.log(line);
  });
  const failed = await runStages(stagesFor(process.argv.slice(2)));
  process.exitCode = failed === 0 ? 0 : 1;
} catch (error) {
  failWith(error);
  console.log('\n0 passed, 1 failed');
}

/** @param {readonly string[]} names */
function stagesFor(names) {
  const unknown = names.filter((name) => !(name in STAGES));
  if (unknown.length > 0) throw new SetupError(`There is no check ${unknown.join(', ')}; there are ${Object.keys(STAGES).join(', ')}.`);
  return Object.entries(STAGES).filter(([name]) => names.length === 0 || names.includes(name));
}

/**
 * @param {readonly (readonly [string, readonly Tool[]])[]} stages
 * @returns {Promise<number>} how many failed
 */
async function runStages(stages) {
  let failed = 0;
  for (const [name, tools] of stages) {
    const startedMs = performance.now();
    const fault = await faultOf(tools);
    if (fault !== undefined) {
      console.log(`\n${fault}\n`);
      failed += 1;
    }
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
    console.log(`${fault === undefined ? 'ok    ' : 'FAILED'} ${name.padEnd(10)} ${seconds.padStart(6)} s`);
  }
  console.log(`\n${String(stages.length - failed)} passed, ${String(failed)} failed`);
  return failed;
}

/**
 * @param {readonly Tool[]} tools run until one fails
 * @returns {Promise<string | undefined>} its output
 */
async function faultOf(tools) {
  try {
    for (const [packageName, bin, ...args] of tools) {
      await run(process.execPath, [dependencyFile(packageName, bin), ...args], { cwd: ROOT });
    }
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}
