import { AppError } from '@volplane/base';

/**
 * Reads every page of a list, one after the other, because each names the next.
 *
 * @throws AppError TOO_LARGE after {@link PAGES_MAX} pages; and what `read` throws
 */
export async function everyPage<Page extends { readonly nextPageToken?: string }>(
  read: (page: { readonly pageToken?: string }) => Promise<Page>,
): Promise<readonly Page[]> {
  const pages = [await read({})];
  for (let token = pages[0]?.nextPageToken; token !== undefined; token = pages.at(-1)?.nextPageToken) {
    if (pages.length >= PAGES_MAX) {
      throw new AppError('TOO_LARGE', `the list has more than ${String(PAGES_MAX)} pages; ask for less of it`, {
        limit: String(PAGES_MAX),
      });
    }
    pages.push(await read({ pageToken: token }));
  }
  return pages;
}

/** The names of all pages, each once. */
export function distinct(pages: readonly (readonly string[])[]): readonly string[] {
  return [...new Set(pages.flat())].sort();
}

/** Far above any list of ours; a server that never ends its list ends the command here. */
const PAGES_MAX = 10_000;
