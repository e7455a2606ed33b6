/** Counts the handlers that run, so that closing can wait for them. */
export class RunningHandlers {
  #count = 0;
  #waiters: (() => void)[] = [];

  track(handler: Promise<void>): void {
    this.#count += 1;
    handler.then(this.#onEnd, this.#onEnd);
  }

  /** Resolves when none runs. */
  async idle(): Promise<void> {
    if (this.#count === 0) return;
    await new Promise<void>((resolve) => {
      this.#waiters.push(resolve);
    });
  }

  readonly #onEnd = (): void => {
    this.#count -= 1;
    if (this.#count > 0) return;
    for (const resolve of this.#waiters.splice(0)) resolve();
  };
}
