const { writeFileSync } = require('node:fs');
const { relative } = require('node:path');
const { reporters, Runner } = require('mocha');

/** Of the text of a failure its beginning is kept: message, difference and the frames next to the fault. */
const FAILURE_LINES_MAX = 25;
const LINE_CHARS_MAX = 300;
const CAUSES_MAX = 4;

/** The spec reporter, which also leaves totals and failures in the file that VOLPLANE_TEST_TOTALS names, for suites.mjs. */
class TotalsReporter extends reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    const failed = [];
    runner.on(Runner.constants.EVENT_TEST_FAIL, (test, error) => failed.push(describe(test, error)));
    runner.once(Runner.constants.EVENT_RUN_END, () => {
      const { passes, pending } = this.stats;
      writeFileSync(process.env.VOLPLANE_TEST_TOTALS, JSON.stringify({ passed: passes, failed, skipped: pending }));
    });
  }
}

/** Where the failed test stands, its name, what was thrown, and its causes. */
function describe(test, error) {
  const where = test.file === undefined ? '' : `${relative(process.cwd(), test.file)}: `;
  const texts = [];
  for (let each = error; each !== undefined && texts.length < CAUSES_MAX; each = each?.cause) texts.push(textOf(each));
  const lines = texts.flatMap((text) => text.split('\n').slice(0, FAILURE_LINES_MAX));
  return [`${where}${test.fullTitle()}`, ...lines.map((line) => `  ${line.slice(0, LINE_CHARS_MAX)}`)].join('\n');
}

function textOf(error) {
  return String(error?.stack ?? error?.message ?? error);
}

module.exports = TotalsReporter;
