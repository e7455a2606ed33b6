/**
 * What the journal holds, as the disk would give it back: never the writer's own objects, which he may change later.
 *
 * A value that was written is kept as its JSON until somebody asks for it: most are replaced or deleted before that.
 */
export class JournalState {
  readonly #entries = new Map<string, Entry>();

  get(key: string): unknown {
    const entry = this.#entries.get(key);
    return entry === undefined ? undefined : valueOf(entry);
  }

  *entries(prefix: string): Iterable<readonly [string, unknown]> {
    for (const [key, entry] of this.#entries) {
      if (key.startsWith(prefix)) yield [key, valueOf(entry)];
    }
  }

  /** Every key with the JSON of its value. */
  *jsons(): Iterable<readonly [string, string]> {
    for (const [key, entry] of this.#entries) yield [key, entry.json ?? JSON.stringify(entry.value)];
  }

  /** @param json - undefined: forgets the key */
  setJson(key: string, json: string | undefined): void {
    if (json === undefined) this.#entries.delete(key);
    else this.#entries.set(key, { json, value: undefined });
  }

  /** For what nobody else holds: it was read from the disk. */
  setValue(key: string, value: unknown): void {
    this.#entries.set(key, { json: undefined, value });
  }
}

/** One of the two, so that nothing is in memory twice. */
interface Entry {
  json: string | undefined;
  value: unknown;
}

function valueOf(entry: Entry): unknown {
  if (entry.json !== undefined) {
    entry.value = JSON.parse(entry.json);
    entry.json = undefined;
  }
  return entry.value;
}
