export interface PageOf<T> {
  readonly items: readonly T[];
  readonly nextPageToken?: string | undefined;
}

/**
 * Collects pages of the API into one answer of at most `maxEntries` (0 = all, bounded by {@link ENTRIES_MAX}) and at most
 * {@link ENTRIES_BYTES_MAX}, with a token for the rest. The tokens are the API's own, so they survive inserts, removes and the end of a
 * manager; for that a page is taken whole or not at all.
 *
 * @param readPage - gives the entries as they are answered
 */
export async function collectPages<T extends object>(
  startingToken: string,
  maxEntries: number,
  readPage: (page: { readonly pageSize: number; readonly pageToken?: string }) => Promise<PageOf<T>>,
): Promise<{ readonly items: readonly T[]; readonly nextToken: string }> {
  const limit = maxEntries === 0 ? ENTRIES_MAX : Math.min(maxEntries, ENTRIES_MAX);
  const items: T[] = [];
  let bytes = 0;
  let pageSizeMax = PAGE_SIZE_MAX;
  let token = startingToken;
  for (;;) {
    const pageSize = Math.min(pageSizeMax, limit - items.length);
    // One after the other: each page names the next.
    const page = await readPage({ pageSize, ...(token === '' ? {} : { pageToken: token }) });
    const pageBytes = page.items.reduce((sum, item) => sum + bytesOf(item), 0);
    const isTooLarge = bytes + pageBytes > ENTRIES_BYTES_MAX;
    if (isTooLarge && items.length > 0) return { items, nextToken: token };
    if (isTooLarge && pageSize > 1) {
      pageSizeMax = Math.floor(pageSize / 2);
      continue;
    }
    bytes += pageBytes;
    items.push(...page.items);
    token = page.nextPageToken ?? '';
    if (token === '' || items.length >= limit) return { items, nextToken: token };
  }
}

/** No less than protobuf makes of it: there a number takes the place of each name. */
function bytesOf(entry: object): number {
  return Buffer.byteLength(JSON.stringify(entry));
}

/** The API's bound. */
const PAGE_SIZE_MAX = 1_000;
/** So that no call takes long. */
const ENTRIES_MAX = 10_000;
/** gRPC clients take messages of 4 MiB; some of it is left for what is around the entries. */
const ENTRIES_BYTES_MAX = 4 * 2 ** 20 - 2 ** 16;
