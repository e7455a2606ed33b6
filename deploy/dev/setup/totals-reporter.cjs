const { writeFileSync } = require('node:fs');
const { reporters, Runner } = require('mocha');

/** The spec reporter, which also leaves the totals in the file that VOLPLANE_TEST_TOTALS names, for suites.mjs. */
class TotalsReporter extends reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    runner.once(Runner.constants.EVENT_RUN_END, () => {
      const { passes, failures, pending } = this.stats;
      writeFileSync(process.env.VOLPLANE_TEST_TOTALS, JSON.stringify({ passed: passes, failed: failures, skipped: pending }));
    });
  }
}

module.exports = TotalsReporter;
