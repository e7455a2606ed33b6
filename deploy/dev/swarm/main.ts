import { fileURLToPath } from 'node:url';
import { Swarm } from './swarm.js';
import { readSwarmOptions } from './swarm-options.js';
import { etcdctl, walk } from './walk.js';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

const options = readSwarmOptions(process.argv.slice(2), process.env, ROOT);
if ('print' in options) {
  process.stdout.write(options.print);
  process.exitCode = options.exitCode;
  // The channel to the launcher would keep this process alive.
  if (process.connected) process.disconnect();
} else {
  process.exitCode = await main(options).catch((error: unknown) => {
    say(error instanceof Error ? error.message : String(error));
    return 1;
  });
  if (process.connected) process.disconnect();
}

async function main(swarmOptions: Exclude<typeof options, { readonly print: string }>): Promise<number> {
  const asked = endAsked();
  say(`Starting a swarm of ${String(swarmOptions.managers)} managers and ${String(swarmOptions.agents)} agents in ${swarmOptions.folder}`);
  const swarm = await Swarm.start(swarmOptions, say);
  try {
    const passed = await Promise.race([walk(swarm, say), asked.then(() => true)]);
    if (swarmOptions.once) return passed ? 0 : 1;
    printAddresses(swarm, swarmOptions.folder);
    // Whoever ends one of them wants to see what the others do without it.
    let isAsked = false;
    for (const { name, ended, logFile } of swarm.children) {
      ended
        .then((how) => {
          if (!isAsked) say(`${name} ended ${how}; the others go on. Its log is ${logFile}`);
        })
        .catch(() => undefined);
    }
    await asked;
    isAsked = true;
    return passed ? 0 : 1;
  } finally {
    say('Stopping the swarm …');
    await swarm.stop();
    say('Nothing is left running.');
  }
}

/** Resolves at Ctrl-C, at a request to end, or when the launcher is gone. */
function endAsked(): Promise<undefined> {
  return new Promise((resolve) => {
    const end = (): void => {
      resolve(undefined);
    };
    process.on('SIGINT', end).on('SIGTERM', end).on('SIGHUP', end).on('disconnect', end);
  });
}

function printAddresses(swarm: Swarm, folder: string): void {
  const { etcd, nats, managers, agents } = swarm.addresses;
  say('');
  say('The swarm stays up until Ctrl-C:');
  say(`  managers (gRPC)  ${managers.join('  ')}`);
  for (const agent of agents) say(`  agent ${agent.node}     ${agent.address}  ${agent.socket}`);
  say(`  etcd             ${etcd}      ETCDCTL_API=3 ${etcdctl()} --endpoints=${etcd} get --prefix /volplane/`);
  say(`  NATS             ${nats}`);
  say(`  logs and data    ${folder}`);
  say(`  processes        ${swarm.children.map(({ name, pid }) => `${name} ${String(pid)}`).join(', ')}`);
  say(`  try              VOLPLANE_ADDRESS=${managers.join(',')} npx volctl nodes   (in this folder; volctl --help shows more)`);
}
