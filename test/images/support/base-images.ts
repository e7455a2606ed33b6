import { appendFile, chmod, copyFile, mkdir, mkdtemp, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { callOk } from './call.js';
import { AUTHORITIES, CACHE, debianRoot, isThere, trustAsHere } from './debian-root.js';
import type { SmallMachine } from './small-machine.js';

export const NODE_IMAGE = 'node:22-bookworm-slim';
export const DEBIAN_IMAGE = 'debian:trixie-slim';
export const NATS_IMAGE = 'nats:2-alpine';

/**
 * Gives the engine the images that ours are made from: the real ones with `--pull`, else stand-ins of the same names, made of Debian's
 * packages and npm's.
 */
export async function provideBaseImages(machine: SmallMachine): Promise<void> {
  if (process.env['VOLPLANE_TEST_IMAGES_PULL'] === '1') {
    for (const image of [NODE_IMAGE, DEBIAN_IMAGE, NATS_IMAGE]) await machine.docker(['pull', '--quiet', image]);
    return;
  }
  await importDebian(machine);
  await importNode(machine);
  await importNats(machine);
}

async function importDebian(machine: SmallMachine): Promise<void> {
  await machine.importImage(DEBIAN_IMAGE, { root: await debianRoot('trixie', []), changes: ['CMD ["bash"]'] });
}

/** The server that Debian has, started as the real image starts its own. */
async function importNats(machine: SmallMachine): Promise<void> {
  const root = await debianRoot('trixie', ['nats-server', 'wget']);
  await inLayer(async (layer) => {
    await writeScript(join(layer, 'usr/local/bin'), 'docker-entrypoint.sh', '[ "${1#-}" = "$1" ] || set -- nats-server "$@"\nexec "$@"');
    const changes = ['ENTRYPOINT ["docker-entrypoint.sh"]', 'CMD ["nats-server"]', 'EXPOSE 4222 8222 6222'];
    await machine.importImage(NATS_IMAGE, { root, over: layer, changes });
  });
}

async function importNode(machine: SmallMachine): Promise<void> {
  const root = await debianRoot('bookworm', []);
  const [node, npm] = [await npmPackage(`node-linux-${process.arch}@22`), await npmPackage('npm@10')];
  await inLayer(async (layer) => {
    const bin = join(layer, 'usr/local/bin');
    await writeScript(bin, 'docker-entrypoint.sh', '[ "${1#-}" = "$1" ] || set -- node "$@"\nexec "$@"');
    await copyFile(join(node, 'bin/node'), join(bin, 'node'));
    await mkdir(join(layer, 'usr/local/lib/node_modules'), { recursive: true });
    await callOk('cp', ['-a', npm, join(layer, 'usr/local/lib/node_modules/npm')]);
    for (const name of ['npm', 'npx']) await symlink(`../lib/node_modules/npm/bin/${name}-cli.js`, join(bin, name));
    await addUser(root, layer);
    await trustAsHere(layer);
    const registry = await callOk('npm', ['config', 'get', 'registry']);
    const env = `ENV NODE_EXTRA_CA_CERTS=${AUTHORITIES} npm_config_registry=${registry}`;
    const changes = [env, 'ENTRYPOINT ["docker-entrypoint.sh"]', 'CMD ["node"]'];
    await machine.importImage(NODE_IMAGE, { root, over: layer, changes });
  });
}

/** As the real image has it. */
async function addUser(root: string, layer: string): Promise<void> {
  await mkdir(join(layer, 'etc'), { recursive: true });
  await mkdir(join(layer, NODE_HOME), { recursive: true });
  await callOk('chown', ['1000:1000', join(layer, NODE_HOME)]);
  const lines = { passwd: `node:x:1000:1000::/${NODE_HOME}:/bin/bash`, group: 'node:x:1000:' };
  for (const [file, line] of Object.entries(lines)) {
    await copyFile(join(root, 'etc', file), join(layer, 'etc', file));
    await appendFile(join(layer, 'etc', file), `${line}\n`);
  }
}

const NODE_HOME = 'home/node';

/** @returns the folder of the package as the registry has it, kept in the cache; nothing of it is run */
async function npmPackage(wanted: string): Promise<string> {
  const folder = join(CACHE, wanted.replace('/', '-'));
  if (await isThere(folder)) return folder;
  const fresh = `${folder}.part`;
  await rm(fresh, { recursive: true, force: true });
  await mkdir(fresh, { recursive: true });
  await callOk('npm', ['pack', '--silent', '--pack-destination', fresh, wanted]);
  const [archive = ''] = await readdir(fresh);
  await callOk('tar', ['-x', '--no-same-owner', '-C', fresh, '-f', join(fresh, archive)]);
  await rename(join(fresh, 'package'), folder);
  await rm(fresh, { recursive: true });
  return folder;
}

async function writeScript(folder: string, name: string, body: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, name), `#!/bin/sh\nset -e\n${body}\n`);
  await chmod(join(folder, name), 0o755);
}

async function inLayer(work: (layer: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'volplane-layer-'));
  try {
    // What lies in it becomes the root of an image: mkdtemp's own mode would shut everybody but root out.
    await chmod(folder, 0o755);
    await work(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}
