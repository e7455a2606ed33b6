import { fileURLToPath } from 'node:url';
import { Swarm } from './swarm.js';
import { readSwarmOptions } from './swarm-options.js';
import { walk } from './walk.js';

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
    const died = Promise.race(swarm.children.map((child) => child.ended.then((code) => ({ child, code }))));
    const end = await Promise.race([asked, died]);
    if (end === undefined) return passed ? 0 : 1;
    say(`${end.child.name} ended with code ${String(end.code)}; see ${end.child.logFile}`);
    return 1;
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
  say(`  etcd             ${etcd}      ETCDCTL_API=3 etcdctl --endpoints=${etcd} get --prefix /volplane/`);
  say(`  NATS             ${nats}`);
  say(`  logs and data    ${folder}`);
  say(`  try              VOLPLANE_ADDRESS=${managers.join(',')} npx volctl ls   (in this folder)`);
}
