import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import Mocha from 'mocha';
import { applyMutant } from './mutation.js';
import { findMutant } from './mutants/index.js';

/** `trace-worker.ts MUTANT TITLE` runs the scripted traces whose titles begin so, without that guard, and tells its parent which of them fail. */

const [name = '', title = ''] = process.argv.slice(2);
const checkApplied = applyMutant(findMutant(name));
const folder = fileURLToPath(new URL('.', import.meta.url));
const mocha = new Mocha({ reporter: 'min', grep: new RegExp(` ${title}`) });
mocha.timeout(60_000);
for (const file of readdirSync(folder)) if (/^traces-.*\.test\.ts$/.test(file)) mocha.addFile(`${folder}${file}`);
// Only now: what it imports is what the mutant changes.
await mocha.loadFilesAsync();
checkApplied();
const failed: string[] = [];
let passes = 0;
mocha
  .run(() => {
    process.send?.({ passes, failed }, () => process.exit(0));
  })
  .on('pass', () => {
    passes += 1;
  })
  .on('fail', (test) => {
    failed.push(test.title);
  });
