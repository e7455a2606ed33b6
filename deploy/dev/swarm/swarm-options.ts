import { resolve } from 'node:path';
import { boolean, integer, nonEmpty, oneOf, readSettings, text, type Settings } from '@volplane/base';

/** Every setting of the development swarm; shown by `npm start -- --help`. */
export const SWARM_SETTINGS = {
  once: { help: 'End after the walk; the exit code tells whether every step passed.', fallback: 'false', parse: boolean },
  managers: { help: 'Managers to start, 1 to 9.', fallback: '2', parse: integer(1, 9) },
  agents: { help: 'Node agents to start, 2 to 50; the walk needs two.', fallback: '3', parse: integer(2, 50) },
  folder: {
    help: 'Folder for all data and logs; kept, so that the next start finds its volumes.',
    fallback: '.volplane/dev',
    parse: nonEmpty,
  },
  etcdPort: { help: 'Port of etcd for clients; the next one is for its peers.', fallback: '7479', parse: integer(1, 65_000) },
  natsPort: { help: 'Port of NATS.', fallback: '7422', parse: integer(1, 65_000) },
  managerPort: { help: 'Port of the first manager; the others follow.', fallback: '7400', parse: integer(1, 65_000) },
  agentPort: { help: 'Port of the first agent; the others follow.', fallback: '7430', parse: integer(1, 65_000) },
  dockerPlugins: {
    help: 'Folder in which the first agent serves Docker plugins, for an engine on this machine: /run/docker/plugins; empty = none.',
    fallback: '',
    parse: text,
  },
  sessionTtlMs: { help: 'How long a silent node’s session lives, in milliseconds.', fallback: '5000', parse: integer(2_000, 600_000) },
  logLevel: {
    help: 'Level of the processes’ logs in the folder: error, warn, info or debug.',
    fallback: 'info',
    parse: oneOf('error', 'warn', 'info', 'debug'),
  },
} as const;

export type SwarmOptions = Settings<typeof SWARM_SETTINGS> & { readonly root: string };

/** @returns the options, or what to print and the exit code */
export function readSwarmOptions(
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
  root: string,
): SwarmOptions | { readonly print: string; readonly exitCode: number } {
  // `--once` alone is what people type.
  const spelled = argv.map((word) => (word === '--once' ? '--once=true' : word));
  const read = readSettings(SWARM_SETTINGS, {
    argv: spelled,
    env,
    prefix: 'VOLPLANE_DEV',
    usage: 'npm start -- [flags]: starts a development swarm and walks through the main job.',
  });
  switch (read.type) {
    case 'help':
      return { print: read.text, exitCode: 0 };
    case 'faults':
      return { print: `${read.faults.join('\n')}\n`, exitCode: 78 };
    case 'settings':
      return { ...read.settings, folder: resolve(root, read.settings.folder), root };
  }
}
