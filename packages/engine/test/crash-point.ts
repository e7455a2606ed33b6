import type { Bus, BusHandler, BusRequestOptions, BusSubscription, KvStore } from '@volplane/ports';
import type { MemoryKv } from '@volplane/testkit';

/** Where a process dies: at its `at`-th call while the point is armed, before the call is applied or after it, without its answer. */
export interface Death {
  readonly at: number;
  readonly when: 'before' | 'after';
}

/** Stands in all ways of one process to the store and the bus, and ends it at one of its calls. */
export class CrashPoint {
  /** What was called since the point was armed, in order. */
  readonly calls: string[] = [];
  readonly #end: () => void;
  #death: Death | undefined;
  #armed = false;
  #dead = false;

  constructor(end: () => void) {
    this.#end = end;
  }

  get dead(): boolean {
    return this.#dead;
  }

  /** Counts from here on; without a death only that. */
  arm(death?: Death): void {
    this.#armed = true;
    this.#death = death;
  }

  /** The operation has been answered: what follows belongs to no call. */
  disarm(): void {
    this.#armed = false;
  }

  async pass<T>(what: string, call: () => Promise<T>): Promise<T> {
    if (this.#dead) return await NEVER;
    if (!this.#armed) return await this.#alive(call);
    this.calls.push(what);
    const isHere = this.calls.length === this.#death?.at;
    if (isHere && this.#death?.when === 'before') return await this.#die();
    const answer = await this.#alive(call);
    if (isHere) return await this.#die();
    return answer;
  }

  async #alive<T>(call: () => Promise<T>): Promise<T> {
    const answer = await call();
    if (this.#dead) return await NEVER;
    return answer;
  }

  async #die(): Promise<never> {
    if (!this.#dead) {
      this.#dead = true;
      this.#end();
    }
    return await NEVER;
  }
}

/** A store whose every call passes the point; watches go on, a dead process does nothing with what they bring. */
export function mortalKv(kv: MemoryKv, point: CrashPoint): KvStore {
  return {
    transact: (...args) => point.pass('transact', () => kv.transact(...args)),
    get: (...args) => point.pass('get', () => kv.get(...args)),
    range: (...args) => point.pass('range', () => kv.range(...args)),
    currentRevision: (...args) => point.pass('revision', () => kv.currentRevision(...args)),
    watch: (...args) => kv.watch(...args),
    grantLease: (...args) => point.pass('grant', () => kv.grantLease(...args)),
    keepAliveLease: (...args) => point.pass('keep alive', () => kv.keepAliveLease(...args)),
    revokeLease: (...args) => point.pass('revoke', () => kv.revokeLease(...args)),
  };
}

/** A bus whose every request passes the point, and every answer to somebody else's request. */
export function mortalBus(bus: Bus, point: CrashPoint): Bus {
  return {
    request: (subject: string, payload: unknown, options: BusRequestOptions) =>
      point.pass('request', () => bus.request(subject, payload, options)),
    serve: (subject: string, group: string | undefined, handler: BusHandler): BusSubscription =>
      bus.serve(subject, group, (payload) => point.pass('answer', () => handler(payload))),
    get payloadBytesMax() {
      return bus.payloadBytesMax;
    },
    get connected() {
      return bus.connected;
    },
    close: () => bus.close(),
  };
}

/** What a dead process waits for. */
const NEVER: Promise<never> = new Promise(() => undefined);
