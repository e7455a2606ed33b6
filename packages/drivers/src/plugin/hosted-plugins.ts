import { join } from 'node:path';
import { AppError, errorText, hasReason, sleep, type Service } from '@volplane/base';
import { isDriverName, quote, type AccessMode, type Scope } from '@volplane/domain';
import type { DriverContext } from '../driver-context.js';
import { PluginClient } from './plugin-client.js';
import { discoverPlugins, type FoundPlugin, type PluginFolders } from './plugin-discovery.js';
import { PluginDriver } from './plugin-driver.js';

/** A plugin that an operator named. */
export interface ConfiguredPlugin extends FoundPlugin {
  /** With a scope the driver exists before the plugin has answered; else it waits for the plugin to declare one. */
  readonly scope?: Scope;
  readonly accessModes?: readonly AccessMode[];
}

export interface HostedPluginsOptions {
  readonly context: DriverContext;
  /** Parent of the folders for the mounts, one for each plugin. */
  readonly root: string;
  /** Absent: nothing is looked for. */
  readonly folders?: PluginFolders;
  readonly configured: readonly ConfiguredPlugin[];
  /** Names that are not hosted: the agent's own plugins, and what an operator excludes. */
  readonly exclude: readonly string[];
  /** Told once for each plugin, when its driver can be used. */
  readonly onDriver: (driver: PluginDriver) => void;
}

export interface HostedPluginStatus {
  readonly name: string;
  readonly address: string;
  /** `waiting`: has never answered. `serving`: answered the last look. `unreachable`: did before, and does not now. `refused`: is none that can be hosted. */
  readonly state: 'waiting' | 'serving' | 'unreachable' | 'refused';
  readonly scope?: Scope;
  /** What is wrong, for people. */
  readonly fault?: string;
  /** Wall clock of the last change of state, ISO 8601. */
  readonly since: string;
}

/**
 * Looks for volume plugins of others and makes each one a driver, however late it comes up. A plugin that goes away keeps
 * its driver, whose calls fail until it is back.
 *
 * An agent never hosts its own kind: names are excluded, and a plugin that answers the handshake as a Volplane agent is refused.
 */
export class HostedPlugins implements Service {
  readonly name = 'hosted plugins';
  readonly #options: HostedPluginsOptions;
  readonly #plugins = new Map<string, Hosted>();
  #faults: readonly string[] = [];

  constructor(options: HostedPluginsOptions) {
    this.#options = options;
  }

  /** Looks now and then every {@link LOOK_INTERVAL_MS}. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.look(signal);
      await sleep(this.#options.context.clock, LOOK_INTERVAL_MS, signal).catch(() => undefined);
    }
  }

  /** One round: finds plugins, shakes hands with each. Failures are states, so it never rejects. */
  async look(signal: AbortSignal): Promise<void> {
    const { folders, configured, exclude } = this.#options;
    const found = folders === undefined ? { plugins: [], faults: [] } : await discoverPlugins(folders);
    this.#faults = found.faults;
    const wanted = new Map(
      [...found.plugins, ...configured].filter(({ name }) => !exclude.includes(name)).map((plugin) => [plugin.name, plugin]),
    );
    // What is served again at another address is another plugin; its driver stays with the first.
    for (const plugin of wanted.values()) if (!this.#plugins.has(plugin.name)) this.#plugins.set(plugin.name, this.#host(plugin));
    await Promise.all([...this.#plugins.values()].map((hosted) => this.#greet(hosted, signal)));
  }

  list(): readonly HostedPluginStatus[] {
    return [...this.#plugins.values()].map(({ status }) => status);
  }

  /** Files in the discovery folders that describe no plugin. */
  get faults(): readonly string[] {
    return this.#faults;
  }

  #host(plugin: ConfiguredPlugin): Hosted {
    const { clock, random } = this.#options.context;
    const client = new PluginClient({ name: plugin.name, address: plugin.address, clock, random });
    const since = new Date(clock.wallMs()).toISOString();
    const hosted: Hosted = { plugin, client, status: { name: plugin.name, address: client.addressText, state: 'waiting', since } };
    if (!isDriverName(plugin.name))
      this.#enter(hosted, 'refused', `${quote(plugin.name)} cannot be a driver's name; configure the plugin under another one`);
    else if (plugin.scope !== undefined) this.#offer(hosted, plugin.scope);
    return hosted;
  }

  async #greet(hosted: Hosted, signal: AbortSignal): Promise<void> {
    if (!isDriverName(hosted.plugin.name)) return;
    try {
      await hosted.client.activate(signal);
      const scope = await hosted.client.scope(signal);
      if (hosted.scope === undefined) this.#offer(hosted, scope);
      const moved = hosted.plugin.scope === undefined && hosted.scope !== scope;
      this.#enter(
        hosted,
        'serving',
        moved ? `it declares scope ${scope} now; the agent uses ${String(hosted.scope)} until it is restarted` : undefined,
      );
    } catch (error) {
      if (signal.aborted) return;
      const refused = hasReason(error, 'FOREIGN_DATA', 'DRIVER_FAILED');
      const state = refused ? 'refused' : hosted.status.state === 'waiting' ? 'waiting' : 'unreachable';
      this.#enter(hosted, state, error instanceof AppError ? error.message : errorText(error));
    }
  }

  #offer(hosted: Hosted, scope: Scope): void {
    const { context, root, onDriver } = this.#options;
    const { name, accessModes } = hosted.plugin;
    hosted.scope = scope;
    onDriver(
      new PluginDriver(context, hosted.client, { name, root: join(root, name), scope, ...(accessModes !== undefined && { accessModes }) }),
    );
  }

  #enter(hosted: Hosted, state: HostedPluginStatus['state'], fault: string | undefined): void {
    const { clock, log } = this.#options.context;
    const before = hosted.status;
    if (before.state !== state) log.info('hosted plugin changed its state', { plugin: before.name, from: before.state, to: state, fault });
    hosted.status = {
      name: before.name,
      address: before.address,
      state,
      ...(hosted.scope !== undefined && { scope: hosted.scope }),
      ...(fault !== undefined && { fault }),
      since: before.state === state ? before.since : new Date(clock.wallMs()).toISOString(),
    };
  }
}

interface Hosted {
  readonly plugin: ConfiguredPlugin;
  readonly client: PluginClient;
  scope?: Scope;
  status: HostedPluginStatus;
}

/** How late a plugin that came up after the agent may be noticed. */
const LOOK_INTERVAL_MS = 30_000;
