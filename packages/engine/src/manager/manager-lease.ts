import { AppError, sleep, type Clock, type Logger, type Service } from '@volplane/base';
import type { KvStore } from '@volplane/ports';
import { managerKey } from '../store/keys.js';

/** Keeps this manager's key, bound to its own lease, so that the live managers share the sweeps. Nothing else depends on it. */
export class ManagerLease implements Service {
  readonly name = 'manager lease';
  readonly #kv: KvStore;
  readonly #id: string;
  readonly #address: string;
  readonly #clock: Clock;
  readonly #log: Logger;

  constructor(parts: { readonly kv: KvStore; readonly id: string; readonly address: string; readonly clock: Clock; readonly log: Logger }) {
    this.#kv = parts.kv;
    this.#id = parts.id;
    this.#address = parts.address;
    this.#clock = parts.clock;
    this.#log = parts.log;
  }

  async run(signal: AbortSignal): Promise<void> {
    let lease: string | undefined;
    while (!signal.aborted) {
      try {
        if (lease === undefined || !(await this.#kv.keepAliveLease(lease, signal))) lease = await this.#announce(signal);
      } catch (error) {
        if (!(error instanceof AppError)) throw error;
        this.#log.debug('manager lease could not be refreshed', { error });
      }
      await sleep(this.#clock, TTL_MS / 3, signal).catch(() => undefined);
    }
    if (lease !== undefined) await this.#withdraw(lease);
  }

  async #announce(signal: AbortSignal): Promise<string> {
    const { lease } = await this.#kv.grantLease(TTL_MS, signal);
    const value = JSON.stringify({ schema: 1, id: this.#id, address: this.#address, since: new Date(this.#clock.wallMs()).toISOString() });
    await this.#kv.transact([{ compares: [], writes: [{ type: 'put', key: managerKey(this.#id), value, lease }] }], signal);
    return lease;
  }

  /** A clean stop hands the sweeps over at once; without it the lease does so a little later. */
  async #withdraw(lease: string): Promise<void> {
    try {
      await this.#kv.revokeLease(lease);
    } catch (error) {
      this.#log.debug('manager lease left to expire', { error });
    }
  }
}

const TTL_MS = 10_000;
