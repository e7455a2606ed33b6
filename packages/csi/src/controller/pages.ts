export interface PageOf<T> {
  readonly items: readonly T[];
  readonly nextPageToken?: string | undefined;
}

/**
 * Collects pages of the API into one answer of at most `maxEntries` (0 = all, bounded by {@link ENTRIES_MAX}, with a token
 * for the rest). The tokens are the API's own, so they survive inserts, removes and the end of a manager.
 */
export async function collectPages<T>(
  startingToken: string,
  maxEntries: number,
  readPage: (page: { readonly pageSize: number; readonly pageToken?: string }) => Promise<PageOf<T>>,
): Promise<{ readonly items: readonly T[]; readonly nextToken: string }> {
  const limit = maxEntries === 0 ? ENTRIES_MAX : Math.min(maxEntries, ENTRIES_MAX);
  const items: T[] = [];
  let token = startingToken;
  do {
    const pageSize = Math.min(PAGE_SIZE_MAX, limit - items.length);
    // One after the other: each page names the next.
    const page = await readPage({ pageSize, ...(token === '' ? {} : { pageToken: token }) });
    items.push(...page.items);
    token = page.nextPageToken ?? '';
  } while (token !== '' && items.length < limit);
  return { items, nextToken: token };
}

/** The API's bound. */
const PAGE_SIZE_MAX = 1_000;
/** About 250 bytes each: an answer stays below the 4 MiB that gRPC clients take. */
const ENTRIES_MAX = 10_000;
