import { EXIT, readSettings, superviseProcess, systemClock } from '@volplane/base';
import { endDespiteFileThreads } from '@volplane/drivers';
import { createLogger } from '@volplane/logging';
import { checkAgent } from './check.js';
import { AGENT_SETTINGS, defaultNodeName } from './config.js';
import { openAgent, type RunningAgent } from './context.js';

const read = readSettings(AGENT_SETTINGS, {
  argv: process.argv.slice(2),
  env: { VOLPLANE_AGENT_NODE: defaultNodeName(), VOLPLANE_AGENT_CSI: process.env['CSI_ENDPOINT'], ...process.env },
  prefix: 'VOLPLANE_AGENT',
  usage: 'volplane-agent: runs the volume drivers of this node.',
});

if (read.type === 'help') process.stdout.write(read.text);
else if (read.type === 'faults') {
  refuse(read.faults);
} else if (read.printConfig) process.stdout.write(`${JSON.stringify(read.shown, null, 2)}\n`);
else await checkAndRun();

async function checkAndRun(): Promise<void> {
  if (read.type !== 'settings') return;
  const faults = await checkAgent(read.settings);
  if (faults.length > 0) refuse(faults);
  else if (read.checkConfig) process.stdout.write('volplane-agent: the settings are right\n');
  else await main();
}

function refuse(faults: readonly string[]): void {
  process.stderr.write(`volplane-agent: ${faults.join('\nvolplane-agent: ')}\n`);
  process.exitCode = EXIT.config;
}

async function main(): Promise<void> {
  if (read.type !== 'settings') return;
  const { settings, shown } = read;
  const log = createLogger({ level: settings.logLevel, format: settings.logFormat, fields: { service: 'agent', node: settings.node } });
  endDespiteFileThreads(process);
  let opening: Promise<RunningAgent> | undefined;
  // First of all: the first process of a container is told to stop in vain until somebody listens.
  const end = superviseProcess(
    process,
    log,
    () => closeAndExit(opening),
    (delayMs, callback) => systemClock.after(delayMs, callback),
  );
  log.info('agent starts', { settings: shown });
  try {
    const agent = await (opening = openAgent(settings, log));
    agent.failed.catch((error: unknown) => {
      log.error('agent ends, to be started anew; its mounts stay', { error });
      end(EXIT.failed);
    });
    log.info('agent serves', { addresses: agent.addresses });
  } catch (error) {
    log.error('agent could not start', { error });
    process.exitCode = EXIT.failed;
  }
}

/** A driver call that hangs with its storage would keep the process from ending by itself, and so from being started anew. */
async function closeAndExit(opening: Promise<RunningAgent> | undefined): Promise<void> {
  try {
    await (await opening)?.close();
  } finally {
    // Behind what the end of the stop sets as the exit code.
    systemClock.soon(() => process.exit());
  }
}
