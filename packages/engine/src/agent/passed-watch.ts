import { sleep, type Clock } from '@volplane/base';
import type { NodeEvent, NodePage, VolumeEvent, VolumePage, WatchRequest } from '@volplane/domain';
import { changesAnswer, type ChangesAnswer } from '@volplane/wire';
import type { CallContext } from '../api.js';
import type { Managers } from './managers.js';

interface Watcher {
  readonly managers: Managers;
  readonly clock: Clock;
}

/** A manager's watch of global volumes as an agent serves it: a list first, then questions for what came after, to any manager. */
export async function* watchPassedVolumes(watcher: Watcher, request: WatchRequest, context: CallContext): AsyncGenerator<VolumeEvent> {
  const namePrefix = request.namePrefix ?? '';
  const { revision: began } = await ask(watcher, { of: 'volumes', namePrefix, waitMs: 0 }, context);
  /** What the list showed of a later time than the changes that are still to come. */
  const ahead = new Map<string, number>();
  for (let pageToken: string | undefined, isLast = false; !isLast;) {
    const filter = { scope: 'global' as const, namePrefix };
    const page = await watcher.managers.call<VolumePage>(
      'listVolumes',
      { filter, pageSize: PAGE_SIZE, ...(pageToken === undefined ? {} : { pageToken }) },
      { signal: context.signal, timeoutMs: LIST_MS },
    );
    for (const volume of page.volumes) {
      if (volume.generation > began) ahead.set(volume.name, volume.generation);
      yield { type: 'present', volume, revision: volume.generation };
    }
    pageToken = page.nextPageToken;
    isLast = pageToken === undefined;
  }
  yield { type: 'synced', revision: began };
  for await (const events of follow<VolumeEvent>(watcher, { of: 'volumes', namePrefix, afterRevision: began }, context)) {
    for (const event of events) {
      if (event.type === 'synced') continue;
      const name = event.type === 'removed' ? event.name : event.volume.name;
      if (event.revision <= (ahead.get(name) ?? 0)) continue;
      ahead.delete(name);
      yield event;
    }
  }
}

/** As {@link watchPassedVolumes}, for nodes. A node that changed during the list is shown twice. */
export async function* watchPassedNodes(watcher: Watcher, request: WatchRequest, context: CallContext): AsyncGenerator<NodeEvent> {
  const namePrefix = request.namePrefix ?? '';
  const { revision: began } = await ask(watcher, { of: 'nodes', namePrefix, waitMs: 0 }, context);
  for (let pageToken: string | undefined, isLast = false; !isLast;) {
    const page = await watcher.managers.call<NodePage>(
      'listNodes',
      { pageSize: PAGE_SIZE, ...(pageToken === undefined ? {} : { pageToken }) },
      { signal: context.signal, timeoutMs: LIST_MS },
    );
    for (const node of page.nodes) if (node.name.startsWith(namePrefix)) yield { type: 'present', node };
    pageToken = page.nextPageToken;
    isLast = pageToken === undefined;
  }
  yield { type: 'synced' };
  for await (const events of follow<NodeEvent>(watcher, { of: 'nodes', namePrefix, afterRevision: began }, context)) yield* events;
}

interface Question {
  readonly of: 'volumes' | 'nodes';
  readonly namePrefix: string;
  readonly afterRevision?: number;
  readonly waitMs: number;
}

async function* follow<Event>(
  watcher: Watcher,
  question: Omit<Question, 'waitMs'> & { readonly afterRevision: number },
  context: CallContext,
): AsyncGenerator<readonly Event[]> {
  for (let { afterRevision } = question; ;) {
    const askedMs = watcher.clock.monotonicMs();
    const answer = await ask(watcher, { ...question, afterRevision, waitMs: WAIT_MS }, context);
    afterRevision = answer.revision;
    yield answer.events as readonly Event[]; // made by software of ours, for the kind that was asked
    // Changes come in bursts, and a manager with many watchers answers at once.
    if (watcher.clock.monotonicMs() - askedMs < PAUSE_MS) await sleep(watcher.clock, PAUSE_MS, context.signal);
  }
}

function ask({ managers }: Watcher, question: Question, { signal }: CallContext): Promise<ChangesAnswer> {
  return managers.ask({ type: 'changes', ...question }, changesAnswer, { signal, timeoutMs: question.waitMs + ANSWER_MS });
}

const PAGE_SIZE = 500;
const LIST_MS = 30_000;
/** A question is asked anew after this: a manager that was killed with it is noticed then at the latest. */
const WAIT_MS = 5_000;
const ANSWER_MS = 5_000;
/** At most so many questions a second and watch. */
const PAUSE_MS = 100;
