import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { busyboxImage } from '../../docker/support/busybox-image.js';

/** In every pod of the tests, and in the sandbox around it; nobody serves this name. */
export const POD_IMAGE = 'volplane.example/busybox:1';

/** Writes an image archive, as `docker save` does, with a static busybox: `ctr images import` takes it with no registry. */
export async function writePodImage(file: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'volplane-archive-'));
  try {
    const layer = await busyboxImage();
    const digest = createHash('sha256').update(layer).digest('hex');
    await mkdir(join(folder, 'layer'));
    await writeFile(join(folder, 'layer', 'layer.tar'), layer);
    // What a sandbox runs: asleep until it is killed.
    const config = { Env: ['PATH=/bin'], Cmd: ['/bin/sh', '-c', 'trap "exit 0" TERM; while true; do sleep 1; done'] };
    const image = { architecture: ARCHITECTURE, os: 'linux', config, rootfs: { type: 'layers', diff_ids: [`sha256:${digest}`] } };
    await writeFile(join(folder, 'config.json'), JSON.stringify(image));
    const manifest = [{ Config: 'config.json', RepoTags: [POD_IMAGE], Layers: ['layer/layer.tar'] }];
    await writeFile(join(folder, 'manifest.json'), JSON.stringify(manifest));
    await promisify(execFile)('tar', ['-C', folder, '-cf', file, 'manifest.json', 'config.json', 'layer']);
  } finally {
    await rm(folder, { recursive: true });
  }
}

const ARCHITECTURE = process.arch === 'arm64' ? 'arm64' : 'amd64';
