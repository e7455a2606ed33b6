import { AppError } from '@volplane/base';
import type { NodeName } from '@volplane/domain';
import { PAGE_BYTES_MAX } from '../document-view.js';

/** Where a walk over nodes goes on: at this node, after this token of its own. */
export interface NodeCursor {
  /** '' = at the first node. */
  readonly node: string;
  readonly token?: string;
}

export interface NodePage<T> {
  readonly items: readonly T[];
  readonly nextToken?: string;
}

export interface NodeWalk<T> {
  /** In order; those before the cursor's are passed over. */
  readonly nodes: readonly NodeName[];
  readonly cursor: NodeCursor;
  /** How many items fit. */
  readonly room: number;
  /** Of one item, where they may be large: the page ends behind the node with which it has {@link PAGE_BYTES_MAX}. */
  readonly bytesOf?: (item: T) => number;
  /** One page of a node, of at most `limit` items; undefined when the node does not answer. */
  readonly ask: (node: NodeName, token: string | undefined, limit: number) => Promise<NodePage<T> | undefined>;
  /** What is shown of a node that does not answer. */
  readonly absent: (node: NodeName, token: string | undefined, limit: number) => NodePage<T>;
}

export interface NodeWalkResult<T> {
  readonly items: readonly T[];
  /** Absent when every node was passed. */
  readonly next?: NodeCursor;
  readonly unanswered: readonly NodeName[];
}

/** Fills one page from node after node; a bounded group of nodes is asked at a time, because the page may be full before all are. */
export async function walkNodes<T>(walk: NodeWalk<T>): Promise<NodeWalkResult<T>> {
  const { cursor, ask, absent } = walk;
  const nodes = walk.nodes.filter((node) => node >= cursor.node);
  const items: T[] = [];
  const unanswered: NodeName[] = [];
  const limit = Math.max(1, walk.room);
  let bytes = 0;
  for (let first = 0; first < nodes.length; first += NODES_AT_ONCE) {
    const group = nodes.slice(first, first + NODES_AT_ONCE);
    const tokenOf = (node: NodeName): string | undefined => (node === cursor.node ? cursor.token : undefined);
    // A group after the other, the nodes of one side by side.
    const answers = await Promise.all(group.map((node) => askOrNothing(ask, node, tokenOf(node), limit)));
    for (const [index, node] of group.entries()) {
      const answer = answers[index];
      if (answer === undefined) unanswered.push(node);
      const page = answer ?? absent(node, ownToken(tokenOf(node)), limit);
      if (page.items.length > walk.room - items.length) return { items, next: { node, ...optionalToken(tokenOf(node)) }, unanswered };
      items.push(...page.items);
      if (walk.bytesOf !== undefined) for (const item of page.items) bytes += walk.bytesOf(item);
      if (page.nextToken !== undefined) {
        const token = answer === undefined ? ABSENT_TOKEN + page.nextToken : page.nextToken;
        return { items, next: { node, token }, unanswered };
      }
      const next = nodes[first + index + 1];
      if ((items.length >= walk.room || bytes >= PAGE_BYTES_MAX) && next !== undefined) return { items, next: { node: next }, unanswered };
    }
  }
  return { items, unanswered };
}

/** A node that begins to answer in the middle of its mirrored list is asked from its beginning: shown twice is better than left out. */
async function askOrNothing<T>(
  ask: NodeWalk<T>['ask'],
  node: NodeName,
  token: string | undefined,
  limit: number,
): Promise<NodePage<T> | undefined> {
  try {
    return await ask(node, token?.startsWith(ABSENT_TOKEN) === true ? undefined : token, limit);
  } catch (error) {
    if (error instanceof AppError && error.kind !== 'invalid') return undefined;
    throw error;
  }
}

/** The token of `absent`; one of the node itself means nothing to it. */
function ownToken(token: string | undefined): string | undefined {
  return token?.startsWith(ABSENT_TOKEN) === true ? token.slice(ABSENT_TOKEN.length) : undefined;
}

function optionalToken(token: string | undefined): { readonly token?: string } {
  return token === undefined ? {} : { token };
}

const NODES_AT_ONCE = 16;

/** Marks a token that was made here for a node that did not answer; agents' own begin with a letter. */
const ABSENT_TOKEN = '=';
