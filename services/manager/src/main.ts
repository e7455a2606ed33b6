import { hostname } from 'node:os';
import { EXIT, readSettings, superviseProcess, systemClock } from '@volplane/base';
import { createLogger } from '@volplane/logging';
import { checkManager } from './check.js';
import { openManager, type RunningManager } from './context.js';
import { MANAGER_SETTINGS } from './config.js';

const read = readSettings(MANAGER_SETTINGS, {
  argv: process.argv.slice(2),
  env: { VOLPLANE_MANAGER_HOST_NAME: hostname(), VOLPLANE_MANAGER_CSI: process.env['CSI_ENDPOINT'], ...process.env },
  prefix: 'VOLPLANE_MANAGER',
  usage: 'volplane-manager: records who owns which volume, and answers callers and agents.',
});

if (read.type === 'help') process.stdout.write(read.text);
else if (read.type === 'faults') {
  refuse(read.faults);
} else if (read.printConfig) process.stdout.write(`${JSON.stringify(read.shown, null, 2)}\n`);
else await checkAndRun();

async function checkAndRun(): Promise<void> {
  if (read.type !== 'settings') return;
  const faults = await checkManager(read.settings);
  if (faults.length > 0) refuse(faults);
  else if (read.checkConfig) process.stdout.write('volplane-manager: the settings are right\n');
  else await main();
}

function refuse(faults: readonly string[]): void {
  process.stderr.write(`volplane-manager: ${faults.join('\nvolplane-manager: ')}\n`);
  process.exitCode = EXIT.config;
}

async function main(): Promise<void> {
  if (read.type !== 'settings') return;
  const { settings, shown } = read;
  const id = settings.id === '' ? `${settings.hostName}-${String(process.pid)}` : settings.id;
  const log = createLogger({ level: settings.logLevel, format: settings.logFormat, fields: { service: 'manager', manager: id } });
  let opening: Promise<RunningManager> | undefined;
  // First of all: the first process of a container is told to stop in vain until somebody listens.
  const end = superviseProcess(
    process,
    log,
    async () => await (await opening)?.close(),
    (delayMs, callback) => systemClock.after(delayMs, callback),
  );
  log.info('manager starts', { settings: shown });
  try {
    const manager = await (opening = openManager(settings, id, log));
    manager.failed.catch(() => {
      end(EXIT.failed);
    });
    log.info('manager serves', { addresses: manager.addresses });
  } catch (error) {
    log.error('manager could not start', { error });
    process.exitCode = EXIT.failed;
  }
}
