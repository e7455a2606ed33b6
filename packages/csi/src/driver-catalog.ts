import type { Clock, Logger } from '@volplane/base';
import type { DriverCapabilities, DriverView } from '@volplane/domain';
import type { CallContext, NodesApi } from '@volplane/engine';
import { CsiError } from './status.js';

export interface DriverCatalogOptions {
  readonly api: NodesApi;
  readonly clock: Clock;
  readonly log: Logger;
  /** Serve these drivers only; absent = all. */
  readonly drivers?: readonly string[];
  /** Only what this node offers. */
  readonly node?: string;
}

/**
 * The drivers that this door can reach, and what they can do together. Kept for {@link FRESH_MS}; when they cannot be
 * asked, what was last known counts, so that the capability calls stay quick and steady.
 */
export class DriverCatalog {
  readonly #options: DriverCatalogOptions;
  #known: readonly DriverView[] | undefined;
  #readAtMs = 0;
  #reading: Promise<readonly DriverView[]> | undefined;

  constructor(options: DriverCatalogOptions) {
    this.#options = options;
  }

  /** False until the drivers were heard of once: a caller that asks for capabilities before that would learn too little for ever. */
  get isKnown(): boolean {
    return this.#known !== undefined && this.#known.length > 0;
  }

  /** @throws what the API throws while nothing is known yet */
  async list(context: CallContext): Promise<readonly DriverView[]> {
    const { clock, log } = this.#options;
    if (this.#known !== undefined && clock.monotonicMs() - this.#readAtMs < FRESH_MS) return this.#known;
    try {
      return await this.#read(context);
    } catch (error) {
      if (this.#known === undefined) throw error;
      log.warn('drivers could not be read, using what was known', { error });
      return this.#known;
    }
  }

  /** @throws CsiError INVALID_ARGUMENT when no live node offers it */
  async get(name: string, context: CallContext): Promise<DriverView> {
    const drivers = await this.list(context);
    const found = drivers.find((driver) => driver.info.name === name);
    if (found !== undefined) return found;
    const known = drivers.map((driver) => driver.info.name).join(', ');
    throw new CsiError(
      'INVALID_ARGUMENT',
      `no node offers driver ${JSON.stringify(name)}; known drivers: ${known === '' ? 'none' : known}`,
    );
  }

  /** True when at least one driver has the capability. */
  async some(has: (capabilities: DriverCapabilities) => boolean, context: CallContext): Promise<boolean> {
    const drivers = await this.list(context);
    return drivers.some((driver) => has(driver.info.capabilities));
  }

  async #read(context: CallContext): Promise<readonly DriverView[]> {
    this.#reading ??= this.#ask(context).finally(() => {
      this.#reading = undefined;
    });
    return await this.#reading;
  }

  async #ask(context: CallContext): Promise<readonly DriverView[]> {
    const { api, clock, drivers, node } = this.#options;
    const offered = await api.listDrivers(node === undefined ? {} : { node }, context);
    this.#known = drivers === undefined ? offered : offered.filter((view) => drivers.includes(view.info.name));
    this.#readAtMs = clock.monotonicMs();
    return this.#known;
  }
}

/** csi-sanity and the sidecars ask for capabilities in bursts; drivers come and go with nodes. */
const FRESH_MS = 5_000;
