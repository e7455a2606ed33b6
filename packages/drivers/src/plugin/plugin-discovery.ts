import { lstat, readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { AppError, errorText } from '@volplane/base';
import { z } from 'zod';
import type { PluginAddress } from './plugin-client.js';

export interface FoundPlugin {
  /** The file's name without its suffix, as engines call it. */
  readonly name: string;
  readonly address: PluginAddress;
}

export interface PluginFolders {
  /** `/run/docker/plugins`: sockets. */
  readonly socketFolder: string;
  /** `/etc/docker/plugins`, `/usr/lib/docker/plugins`: `.spec` and `.json` files. */
  readonly specFolders: readonly string[];
}

export interface PluginDiscovery {
  readonly plugins: readonly FoundPlugin[];
  /** Files that describe no usable plugin, for people. */
  readonly faults: readonly string[];
}

/**
 * The plugins that an engine would find: `NAME.sock` or `NAME/NAME.sock`, then `.spec` and `.json` files likewise. The first
 * of a name counts. Folders that are missing hold none; what cannot be read is a fault and hides nothing else.
 */
export async function discoverPlugins(folders: PluginFolders): Promise<PluginDiscovery> {
  const plugins = new Map<string, FoundPlugin>();
  const faults: string[] = [];
  const candidates: Candidate[] = [...(await filesIn(folders.socketFolder, ['.sock'], faults))];
  // One folder after the other: the first one of a name counts.
  for (const folder of folders.specFolders) candidates.push(...(await filesIn(folder, ['.spec', '.json'], faults)));
  for (const { name, path } of candidates.slice(0, PLUGINS_MAX)) {
    try {
      const address = plugins.has(name) ? undefined : await readAddress(path);
      if (address !== undefined) plugins.set(name, { name, address });
    } catch (error) {
      faults.push(`${path}: ${errorText(error)}`);
    }
  }
  return { plugins: [...plugins.values()], faults };
}

/** The address in a URL: `unix:///path`, `tcp://host:port`, `http://` or `https://`. @throws AppError INVALID_ARGUMENT */
export function parsePluginUrl(text: string): PluginAddress {
  const url = URL.canParse(text.trim()) ? new URL(text.trim()) : undefined;
  if (url?.protocol === 'unix:' && url.pathname.startsWith('/')) return { kind: 'unix', path: decodeURIComponent(url.pathname) };
  if (url !== undefined && ['tcp:', 'http:', 'https:'].includes(url.protocol) && url.hostname !== '') {
    const port = Number(url.port) || (url.protocol === 'https:' ? 443 : 80);
    const host = url.hostname.replace(/^\[|\]$/g, '');
    return { kind: 'tcp', host, port, ...(url.protocol === 'https:' && { tls: {} }) };
  }
  throw new AppError(
    'INVALID_ARGUMENT',
    `${JSON.stringify(text.slice(0, 200))} is no plugin address: use unix:///path, tcp://host:port or https://host:port`,
  );
}

interface Candidate {
  readonly name: string;
  readonly path: string;
}

/** A host has a handful; a folder with more is a mistake. */
const PLUGINS_MAX = 256;

const SPEC_BYTES_MAX = 64 * 1024;

const jsonSpec = z.object({
  Addr: z.string(),
  TLSConfig: z
    .object({
      InsecureSkipVerify: z.boolean().optional(),
      CAFile: z.string().optional(),
      CertFile: z.string().optional(),
      KeyFile: z.string().optional(),
    })
    .nullish(),
});

/** Flat files first, then `NAME/NAME.suffix`, each in the order of names. */
async function filesIn(folder: string, suffixes: readonly string[], faults: string[]): Promise<readonly Candidate[]> {
  let entries: readonly { readonly name: string; isDirectory(): boolean }[];
  try {
    entries = (await readdir(folder, { withFileTypes: true })).toSorted((one, other) => (one.name < other.name ? -1 : 1));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') faults.push(`${folder}: ${errorText(error)}`);
    return [];
  }
  return suffixes.flatMap((suffix) => [
    ...entries.filter(({ name }) => name.endsWith(suffix)).map(({ name }) => ({ name: basename(name, suffix), path: join(folder, name) })),
    ...entries.filter((entry) => entry.isDirectory()).map(({ name }) => ({ name, path: join(folder, name, name + suffix) })),
  ]);
}

/** Undefined: nothing is there. */
async function readAddress(path: string): Promise<PluginAddress | undefined> {
  const found = await lstat(path).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  });
  if (found === undefined) return undefined;
  if (path.endsWith('.sock')) {
    if (found.isSocket()) return { kind: 'unix', path };
    throw new Error('it is no socket');
  }
  if (!found.isFile() || found.size > SPEC_BYTES_MAX) throw new Error('it is no small file');
  const text = await readFile(path, 'utf8');
  return path.endsWith('.spec') ? parsePluginUrl(text) : await readJsonSpec(text);
}

async function readJsonSpec(text: string): Promise<PluginAddress> {
  const parsed = jsonSpec.safeParse(JSON.parse(text));
  if (!parsed.success) throw new Error(z.prettifyError(parsed.error));
  const { Addr, TLSConfig } = parsed.data;
  const address = parsePluginUrl(Addr);
  if (address.kind === 'unix' || TLSConfig === undefined || TLSConfig === null) return address;
  const { CAFile, CertFile, KeyFile, InsecureSkipVerify = false } = TLSConfig;
  return {
    ...address,
    tls: {
      ...(CAFile !== undefined && { ca: await readFile(CAFile, 'utf8') }),
      ...(CertFile !== undefined && { cert: await readFile(CertFile, 'utf8') }),
      ...(KeyFile !== undefined && { key: await readFile(KeyFile, 'utf8') }),
      // Engines check nothing without a CA file.
      insecure: InsecureSkipVerify || CAFile === undefined,
    },
  };
}
