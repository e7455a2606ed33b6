import { AppError, unreachable, type Clock, type Logger } from '@volplane/base';
import type { MountId, NodeName, VolumeUid } from '@volplane/domain';
import type { Bus, BusSubscription } from '@volplane/ports';
import { agentMessage, answerFailure, answerOk, nodeSubject, parseMessage, type AgentMessage, type UsersAnswer } from '@volplane/wire';
import { answerTooLarge, callApi } from '../api-call.js';
import type { VolplaneApi } from '../api.js';
import type { AgentBook } from './agent-book.js';
import type { AgentSession } from './agent-session.js';
import type { Commands } from './commands.js';
import type { GlobalMounts } from './global-mounts.js';
import { RoutedMounts } from './routed-mounts.js';

/** Answers managers' messages; every failure becomes an answer, nothing ends the process. */
export function serveManagers(parts: {
  readonly node: NodeName;
  readonly bus: Bus;
  readonly book: AgentBook;
  readonly session: AgentSession;
  readonly commands: Commands;
  readonly mounts: GlobalMounts;
  readonly api: VolplaneApi;
  readonly clock: Clock;
  readonly log: Logger;
}): BusSubscription {
  const { node, bus, session, commands, mounts, api, clock, log } = parts;
  const routed = new RoutedMounts({
    node,
    beat: () => session.beat,
    // The node's own API, which knows whether the name is a local volume; the caller elsewhere bounds its waiting itself.
    mount: ({ name, mountId, mode }) =>
      api.mountVolume({ name, mountId, ...(mode === undefined ? {} : { mode }) }, { signal: neverAborted(), timeoutMs: ROUTED_MOUNT_MS }),
  });
  const handle = async (message: AgentMessage): Promise<unknown> => {
    switch (message.type) {
      case 'command':
        return await commands.run(message);
      case 'fence':
        return await commands.fence(message);
      case 'mount':
        commands.checkAddressee(message);
        return await routed.run(message);
      case 'force-release':
        commands.checkAddressee(message);
        await mounts.forceRelease(message);
        return undefined;
      case 'users':
        return usersOf(parts.book, session.beat, message.uids);
      case 'call':
        return await callApi(api, message, clock);
      default:
        return unreachable(message, 'agent message');
    }
  };
  const answer = async (payload: unknown): Promise<unknown> => {
    try {
      return answerOk(await handle(parseMessage(agentMessage, payload, 'message of a manager')));
    } catch (error) {
      if (!(error instanceof AppError)) log.error('message of a manager failed', { error });
      return answerFailure(error);
    }
  };
  return bus.serve(nodeSubject(node), undefined, answer, answerTooLarge);
}

function usersOf(book: AgentBook, beat: number, uids: readonly VolumeUid[]): UsersAnswer {
  const users: Record<VolumeUid, MountId[]> = {};
  if (uids.length > 0) {
    for (const record of book.mounts()) {
      const uid = record.granted?.uid;
      if (uid !== undefined && uids.includes(uid)) users[uid] = record.mountIds.slice(0, USERS_MAX);
    }
  }
  return { beat, users };
}

/** Of one call: what waits for a signal that all share would be kept by it. */
function neverAborted(): AbortSignal {
  return new AbortController().signal;
}

/** No driver call takes longer; past it the caller has long been told that the outcome is unknown. */
const ROUTED_MOUNT_MS = 120_000;

/** Names enough to look further; the agent's own door lists all. */
const USERS_MAX = 64;
