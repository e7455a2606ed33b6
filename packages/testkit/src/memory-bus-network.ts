import { assert, silentLogger, type Clock, type Logger, type Random } from '@volplane/base';
import { faultlessBus, type BusFate, type BusMessage } from './bus-faults.js';
import { MemoryBus, type MemoryBusListener, type MemoryBusRequest, type MemoryBusWire } from './memory-bus.js';

/**
 * A bus in memory for any number of simulated processes ("endpoints"), each opened by name. The same clock, random
 * and order of calls give the same run.
 *
 * Every message passes {@link BusFate} and takes at least one turn of the clock, even with delay 0. Who gets the request
 * of a group is drawn when it is sent, as a server would that does not know yet whom it cannot reach.
 */
export class MemoryBusNetwork {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #wire: MemoryBusWire;
  readonly #endpoints = new Map<string, MemoryBus>();
  readonly #down = new Set<string>();
  #sides = new Map<string, number>();
  #fate: BusFate = faultlessBus;

  constructor(options: MemoryBusNetworkOptions) {
    this.#clock = options.clock;
    this.#random = options.random;
    this.#wire = {
      clock: options.clock,
      log: options.log ?? silentLogger,
      payloadBytesMax: options.payloadBytesMax ?? PAYLOAD_BYTES_MAX,
      isUp: (name) => !this.#down.has(name),
      send: (request) => this.#send(request),
      leave: (bus) => {
        this.#endpoints.delete(bus.name);
      },
    };
  }

  /** A process joins; the name is free again after `close` or `crash`. */
  open(name: string): MemoryBus {
    assert(!this.#endpoints.has(name), `the endpoint ${name} is not open yet`);
    const bus = new MemoryBus(name, this.#wire);
    this.#endpoints.set(name, bus);
    return bus;
  }

  /** From now on decides about each message that is sent. */
  setFate(fate: BusFate): void {
    this.#fate = fate;
  }

  /**
   * The process dies: its subscriptions vanish, its requests never settle, its running handlers answer nobody. What it
   * has sent is on its way; what is on its way to it reaches the next process of that name, if it serves the subject.
   */
  crash(name: string): void {
    this.#endpoints.get(name)?.crash();
    this.#endpoints.delete(name);
  }

  /**
   * Loses every message between endpoints of different sides, also those on their way, and nobody is told: their
   * requests time out. Endpoints that are not named form one more side.
   */
  partition(...sides: readonly (readonly string[])[]): void {
    this.#sides = new Map(sides.flatMap((names, side) => names.map((name) => [name, side])));
  }

  /** Ends the partition; what was lost stays lost. */
  heal(): void {
    this.#sides = new Map();
  }

  /**
   * The connection of `name` to the bus breaks and both ends know: its requests have an unknown outcome, messages to it
   * are lost, others find that it does not listen. It may be open already or be opened later.
   */
  disconnect(name: string): void {
    this.#down.add(name);
    this.#endpoints.get(name)?.lose('the bus went down before an answer came');
  }

  /** The connection is back, with the subscriptions. */
  reconnect(name: string): void {
    this.#down.delete(name);
  }

  #send(request: MemoryBusRequest): boolean {
    const receivers = this.#receiversOf(request.subject);
    for (const receiver of receivers) {
      const { from, subject, text } = request;
      this.#carry({ kind: 'request', from: from.name, to: receiver.bus.name, subject, text }, () => {
        this.#arrive(request, receiver);
      });
    }
    return receivers.length > 0;
  }

  /** One listener of each group, and each listener without a group. */
  #receiversOf(subject: string): MemoryBusListener[] {
    const alone: MemoryBusListener[] = [];
    const groups = new Map<string, MemoryBusListener[]>();
    for (const bus of this.#endpoints.values()) {
      if (!bus.connected) continue;
      for (const listener of bus.listenersOf(subject)) {
        if (listener.group === undefined) alone.push(listener);
        else groups.set(listener.group, [...(groups.get(listener.group) ?? []), listener]);
      }
    }
    const drawn = [...groups.values()].flatMap((members) => members[Math.floor(this.#random.float() * members.length)] ?? []);
    return [...alone, ...drawn];
  }

  #arrive(request: MemoryBusRequest, receiver: MemoryBusListener): void {
    const { from, token, subject } = request;
    const listeners = this.#endpoints.get(receiver.bus.name)?.listenersOf(subject) ?? [];
    const listener = listeners.includes(receiver) ? receiver : listeners.find((other) => other.group === receiver.group);
    if (listener === undefined) return;
    listener.bus.receive(listener, request.text, (text) => {
      this.#carry({ kind: 'reply', from: listener.bus.name, to: from.name, subject, text }, () => {
        from.settle(token, text);
      });
    });
  }

  #carry(message: BusMessage, arrive: () => void): void {
    if (this.#isCut(message) || this.#down.has(message.from)) return;
    for (const delayMs of this.#fate(message)) {
      this.#clock.after(delayMs, () => {
        if (!this.#isCut(message) && !this.#down.has(message.to)) arrive();
      });
    }
  }

  #isCut({ from, to }: BusMessage): boolean {
    return this.#sides.get(from) !== this.#sides.get(to);
  }
}

export interface MemoryBusNetworkOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Bytes of one message as JSON; 1 MiB unless told. */
  readonly payloadBytesMax?: number;
  readonly log?: Logger;
}

/** NATS' default (max_payload). */
const PAYLOAD_BYTES_MAX = 1_048_576;
