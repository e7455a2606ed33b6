/**
 * One piece of work for everybody who waits for it: who asks while a run is going on shares the next one, which begins after he
 * asked, so that every caller sees the effect or the state of a run that began after his call.
 */
export class SharedWork<T> {
  readonly #work: () => Promise<T>;
  #running: Promise<T> | undefined;
  #next: Promise<T> | undefined;

  constructor(work: () => Promise<T>) {
    this.#work = work;
  }

  /** @throws what the work throws, to everybody who shares it */
  run(): Promise<T> {
    if (this.#next !== undefined) return this.#next;
    const before = this.#running;
    if (before === undefined) return this.#start();
    const start = (): Promise<T> => {
      this.#next = undefined;
      return this.#start();
    };
    this.#next = before.then(start, start);
    return this.#next;
  }

  #start(): Promise<T> {
    const running = this.#work().finally(() => {
      if (this.#running === running) this.#running = undefined;
    });
    this.#running = running;
    return running;
  }
}
