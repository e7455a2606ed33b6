import { assert, type Clock } from '@volplane/base';
import type { KvOutcome, KvTransaction } from '@volplane/ports';
import { MemoryKvState } from './memory-kv-state.js';
import type { MemoryKvWatch } from './memory-kv-watch.js';

export interface MemoryKvServerOptions {
  /** Drives the expiry of leases, nothing else. */
  readonly clock: Clock;
  /** Shortest lease granted. Default 2 s, as etcd with its default election timeout. */
  readonly leaseTtlMsMin?: number;
}

/** What the connections to one memory store share: its state, the clock of its leases, and the open watches. */
export class MemoryKvServer {
  readonly clock: Clock;
  readonly state = new MemoryKvState();
  readonly watches = new Set<MemoryKvWatch>();
  readonly #leaseTtlMsMin: number;
  readonly #leases = new Map<string, { readonly ttlMs: number; readonly cancelExpiry: () => void }>();
  #leasesGranted = 0;
  #watchesOpened = 0;

  constructor({ clock, leaseTtlMsMin = LEASE_TTL_MS_MIN }: MemoryKvServerOptions) {
    this.clock = clock;
    this.#leaseTtlMsMin = leaseTtlMsMin;
  }

  transact(batch: readonly KvTransaction[]): readonly KvOutcome[] {
    const { outcomes, change } = this.state.transact(batch);
    for (const watch of this.watches) watch.onChange(change);
    return outcomes;
  }

  nextWatchId(): number {
    this.#watchesOpened += 1;
    return this.#watchesOpened;
  }

  grantLease(wantedMs: number): { readonly lease: string; readonly ttlMs: number } {
    assert(wantedMs > 0, 'a lease lives for some time');
    const ttlMs = Math.max(this.#leaseTtlMsMin, Math.ceil(wantedMs / 1_000) * 1_000);
    this.#leasesGranted += 1;
    const lease = String(LEASE_ID_BASE + this.#leasesGranted);
    this.state.addLease(lease);
    this.#armExpiry(lease, ttlMs);
    return { lease, ttlMs };
  }

  keepAliveLease(lease: string): boolean {
    const held = this.#leases.get(lease);
    if (held === undefined) return false;
    held.cancelExpiry();
    this.#armExpiry(lease, held.ttlMs);
    return true;
  }

  endLease(lease: string): void {
    this.#leases.get(lease)?.cancelExpiry();
    this.#leases.delete(lease);
    const change = this.state.removeLease(lease);
    for (const watch of this.watches) watch.onChange(change);
  }

  #armExpiry(lease: string, ttlMs: number): void {
    const cancelExpiry = this.clock.after(ttlMs, () => {
      this.endLease(lease);
    });
    this.#leases.set(lease, { ttlMs, cancelExpiry });
  }
}

const LEASE_TTL_MS_MIN = 2_000;

/** Lease ids look nothing like revisions, so that one taken for the other shows. */
const LEASE_ID_BASE = 7_000_000_000;
