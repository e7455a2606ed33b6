import { mkdir, readFile, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '@volplane/base';
import { findIdentity, writeFileAtomic } from '@volplane/host';
import type { WatchedFile } from './socket-watcher.js';

/** How an engine reaches a plugin over TCP. */
export interface DiscoveryEntry {
  /** The plugin's name for the engine: the file's name without suffix. */
  readonly name: string;
  readonly host: string;
  readonly port: number;
  /** Paths on the engine's host. Absent = plain HTTP. */
  readonly tls?: TlsClientPaths;
}

/** What the engine shows and checks; certificate and key are needed where the plugin asks for them. */
export interface TlsClientPaths {
  readonly caFile: string;
  readonly certFile?: string;
  readonly keyFile?: string;
}

/**
 * Writes the file by which an engine finds the plugin: `NAME.spec` for plain TCP, `NAME.json` with TLS.
 *
 * @param folder - `/etc/docker/plugins` or `/usr/lib/docker/plugins`
 * @returns which file it is
 * @throws AppError FOREIGN_DATA when a file of that name describes another plugin
 */
export async function writeDiscoveryFile(folder: string, entry: DiscoveryEntry): Promise<WatchedFile> {
  await mkdir(folder, { recursive: true, mode: 0o755 });
  const path = join(folder, entry.name + (entry.tls === undefined ? '.spec' : '.json'));
  const old = await readFile(path, 'utf8').catch(() => '');
  if (old !== '' && !old.includes(`//${hostOf(entry)}:`)) {
    throw new AppError('FOREIGN_DATA', `${path} describes a plugin on another host; move it away, or give this agent another plugin name`, {
      path,
    });
  }
  await writeFileAtomic(path, toText(entry), { mode: 0o644 });
  const identity = await findIdentity(path);
  if (identity === undefined) throw new AppError('FOREIGN_DATA', `${path} was taken away while it was written`, { path });
  return { path, identity };
}

/** Not there: fine. */
export async function removeDiscoveryFile(path: string): Promise<void> {
  await unlink(path).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  });
}

function toText(entry: DiscoveryEntry): string {
  const { name, port, tls } = entry;
  const address = `${hostOf(entry)}:${String(port)}`;
  if (tls === undefined) return `tcp://${address}\n`;
  // Without a CA file an engine turns the check of the certificate off.
  const TLSConfig = {
    InsecureSkipVerify: false,
    CAFile: tls.caFile,
    ...(tls.certFile !== undefined && { CertFile: tls.certFile, KeyFile: tls.keyFile }),
  };
  return `${JSON.stringify({ Name: name, Addr: `https://${address}`, TLSConfig }, undefined, 2)}\n`;
}

function hostOf({ host }: DiscoveryEntry): string {
  return host.includes(':') ? `[${host}]` : host;
}
