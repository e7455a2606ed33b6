import { AppError, sha256Hex, type Clock, type Logger } from '@volplane/base';
import { acknowledged, HELD_ENTRIES_MAX, type MessageOf } from '@volplane/wire';
import type { AgentBook } from './agent-book.js';
import type { AgentSession } from './agent-session.js';
import type { LocalVolumes } from './local-volumes.js';
import type { Managers } from './managers.js';

/**
 * Tells the managers which local volumes this node has, so that they can be listed while the node is away. Looked at when a heartbeat was
 * acknowledged, and only when the book says that a local volume was written: changes of some seconds go together, and a node
 * without changes sends nothing.
 */
export class InventoryMirror {
  readonly #book: AgentBook;
  readonly #local: LocalVolumes;
  readonly #session: AgentSession;
  readonly #managers: Managers;
  readonly #clock: Clock;
  readonly #log: Logger;
  /** The book's count of writes that is known to be told. */
  #toldWrites = -1;
  #toldDigest = '';
  #telling = false;
  #notBeforeMs = 0;

  constructor(parts: {
    readonly book: AgentBook;
    readonly local: LocalVolumes;
    readonly session: AgentSession;
    readonly managers: Managers;
    readonly clock: Clock;
    readonly log: Logger;
  }) {
    this.#book = parts.book;
    this.#local = parts.local;
    this.#session = parts.session;
    this.#managers = parts.managers;
    this.#clock = parts.clock;
    this.#log = parts.log;
    parts.session.listen({
      onExtended: () => {
        if (this.#book.localWrites === this.#toldWrites || this.#clock.monotonicMs() < this.#notBeforeMs) return;
        this.#start({ evenIfEqual: false });
      },
      onInventoryWanted: () => {
        this.#start({ evenIfEqual: true });
      },
    });
  }

  #start(options: { readonly evenIfEqual: boolean }): void {
    if (this.#telling) return;
    this.#telling = true;
    this.#tell(options)
      .catch((error: unknown) => {
        if (error instanceof AppError) this.#log.debug('inventory was not taken, it is told again', { error });
        else this.#log.error('inventory could not be told', { error });
      })
      .finally(() => {
        this.#telling = false;
      })
      .catch(() => undefined);
  }

  async #tell({ evenIfEqual }: { readonly evenIfEqual: boolean }): Promise<void> {
    const writes = this.#book.localWrites;
    const inventory = this.#inventory();
    const digest = sha256Hex(JSON.stringify(inventory));
    // Mounts are written into the same records and change nothing here.
    if (evenIfEqual || digest !== this.#toldDigest) {
      this.#notBeforeMs = this.#clock.monotonicMs() + PERIOD_MS;
      await this.#managers.ask({ type: 'inventory', ...this.#session.speaker(), ...inventory }, acknowledged, { timeoutMs: TIMEOUT_MS });
    }
    this.#toldWrites = writes;
    this.#toldDigest = digest;
  }

  #inventory(): Pick<MessageOf<'inventory'>, 'volumes' | 'truncated'> {
    const all = this.#local.list();
    const volumes = all.slice(0, HELD_ENTRIES_MAX).map(({ name, uid, driver, createdAt }) => ({ name, uid, driver, createdAt }));
    return { volumes, truncated: all.length > volumes.length };
  }
}

/** At most one such message in this time, however often volumes come and go: each is a write of etcd. */
const PERIOD_MS = 10_000;
const TIMEOUT_MS = 5_000;
