import { EXIT, superviseProcess, systemClock } from '@volplane/base';
import { bootMs, findMount, GuardianServer, readMountTable, systemMounts } from '@volplane/host';
import { createLogger } from '@volplane/logging';

/** The guardian process of one agent: `guardian-main.js FOLDER`. It outlives the agent and ends when nothing is armed for a while. */
const folder = process.argv[2];
const log = createLogger({ level: 'info', format: 'json', fields: { service: 'guardian', pid: process.pid } });

if (folder === undefined) {
  log.error('guardian needs its folder as the argument');
  process.exitCode = EXIT.config;
} else await main(folder);

async function main(ownFolder: string): Promise<void> {
  try {
    const mounts = systemMounts(systemClock);
    const server = await GuardianServer.open({
      folder: ownFolder,
      clock: systemClock,
      now: bootMs,
      abort: (target) => mounts.abort(target),
      isMounted: async (target) => findMount(await readMountTable(), target) !== undefined,
      log,
    });
    const end = superviseProcess(
      process,
      log,
      () => server.close(),
      (delayMs, callback) => systemClock.after(delayMs, callback),
    );
    server.onIdle = () => {
      end(EXIT.ok);
    };
    log.info('guardian serves', { folder: ownFolder });
  } catch (error) {
    log.info('guardian does not start', { error });
    process.exitCode = EXIT.failed;
  }
}
