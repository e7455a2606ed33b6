import type { Clock } from '@volplane/base';
import { FRAME_BYTES, ITEM_BYTES, type EncodedPayload } from './frames.js';

/**
 * Keeps what goes to one place until everything that came in with this turn of the event loop was handled, so that it can travel in
 * one message. What fills a message goes at once.
 */
export class TurnBatches<Item extends EncodedPayload> {
  readonly #clock: Clock;
  readonly #send: (place: string, items: readonly Item[]) => void;
  readonly #batches = new Map<string, Batch<Item>>();
  #waiting = 0;
  #planned = false;

  /** @param send - sends one message; must not throw, because it runs on nobody's behalf */
  constructor(clock: Clock, send: (place: string, items: readonly Item[]) => void) {
    this.#clock = clock;
    this.#send = send;
  }

  /** How many items wait to be sent. */
  get waiting(): number {
    return this.#waiting;
  }

  /** @param frameBytesMax - what one message may have now; an item that alone is larger gets a message of its own */
  add(place: string, item: Item, frameBytesMax: number): void {
    const itemBytes = item.bytes + ITEM_BYTES;
    let batch = this.#batches.get(place);
    if (batch !== undefined && batch.bytes + itemBytes > frameBytesMax) {
      this.#sendOne(place, batch);
      batch = undefined;
    }
    if (batch === undefined) {
      batch = { items: [], bytes: FRAME_BYTES };
      this.#batches.set(place, batch);
    }
    batch.items.push(item);
    batch.bytes += itemBytes;
    this.#waiting += 1;
    if (batch.items.length >= ITEMS_PER_MESSAGE_MAX) this.#sendOne(place, batch);
    else if (this.#waiting >= ITEMS_WAITING_MAX) this.flush();
    else this.#plan();
  }

  /** Sends all that waits. */
  flush(): void {
    for (const [place, batch] of this.#batches) this.#sendOne(place, batch);
  }

  #sendOne(place: string, batch: Batch<Item>): void {
    this.#batches.delete(place);
    this.#waiting -= batch.items.length;
    this.#send(place, batch.items);
  }

  #plan(): void {
    if (this.#planned) return;
    this.#planned = true;
    this.#clock.soon(() => {
      this.#planned = false;
      this.flush();
    });
  }
}

interface Batch<Item> {
  readonly items: Item[];
  bytes: number;
}

/**
 * Requests or answers in one message. The price of a message is well spread by then; more would only give one member of a group what
 * another could do.
 */
export const ITEMS_PER_MESSAGE_MAX = 64;

/** Items that wait for the end of a turn, to all places together; then all are sent at once. */
export const ITEMS_WAITING_MAX = 4_096;
