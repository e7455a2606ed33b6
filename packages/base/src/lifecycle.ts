import type { Logger } from './logger.js';

/** A part that runs until its signal fires. Resolves when asked to end, rejects when it failed. */
export interface Service {
  readonly name: string;
  run(signal: AbortSignal): Promise<void>;
}

/** A part that is opened and closed. `close` is idempotent, bounded, and means that no effect comes after it. */
export interface Resource {
  readonly name: string;
  close(): Promise<void>;
}

/**
 * Owns the parts of one process: they stop in the reverse order of their joining, all of them, whatever fails.
 *
 * A service that ends by itself fails the group; `failed` then rejects with its error.
 */
export class ComponentGroup {
  readonly #stops: { readonly name: string; readonly stop: () => Promise<void> }[] = [];
  readonly #log: Logger;
  readonly failed: Promise<never>;
  #fail: (error: Error) => void = () => undefined;
  #stopping: Promise<void> | undefined;

  constructor(log: Logger) {
    this.#log = log;
    this.failed = new Promise((_, reject) => {
      this.#fail = reject;
    });
    // Whoever waits for `failed` sees the error; a group that nobody waits for must not end the process.
    this.failed.catch(() => undefined);
  }

  /** Starts `service`; stopping it aborts its signal and waits for its end. */
  start(service: Service): void {
    const controller = new AbortController();
    const ended = service.run(controller.signal).then(
      () => {
        if (!controller.signal.aborted) this.#fail(new Error(`service ${service.name} ended by itself`));
      },
      (error: unknown) => {
        if (controller.signal.aborted) return;
        this.#log.error('service failed', { service: service.name, error });
        this.#fail(new Error(`service ${service.name} failed`, { cause: error }));
      },
    );
    this.#stops.push({
      name: service.name,
      stop: async () => {
        controller.abort();
        await ended;
      },
    });
  }

  /** Takes over the closing of an open resource. */
  own<T extends Resource>(resource: T): T {
    this.#stops.push({ name: resource.name, stop: () => resource.close() });
    return resource;
  }

  /** Stops every part, last joined first. Safe to call again. @throws AggregateError with what failed to stop */
  stop(): Promise<void> {
    this.#stopping ??= this.#stopAll();
    return this.#stopping;
  }

  async #stopAll(): Promise<void> {
    const errors: unknown[] = [];
    for (const part of this.#stops.reverse()) {
      try {
        // One after the other: what joined later may use what joined earlier.
        await part.stop();
      } catch (error) {
        this.#log.warn('part failed to stop', { part: part.name, error });
        errors.push(error);
      }
    }
    if (errors.length > 0) throw new AggregateError(errors, 'some parts failed to stop');
  }
}
