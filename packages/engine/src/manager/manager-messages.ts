import { AppError, toFailure, unreachable, type Clock, type Logger } from '@volplane/base';
import type { Bus, BusSubscription } from '@volplane/ports';
import {
  answerFailure,
  answerOk,
  managerMessage,
  MANAGERS_GROUP,
  MANAGERS_SUBJECT,
  parseMessage,
  type ManagerMessage,
} from '@volplane/wire';
import type { VolplaneApi } from '../api.js';
import { answerTooLarge, callApi } from '../api-call.js';
import type { ChangeLog } from './change-log.js';
import type { Claims } from './claims.js';
import type { Sessions } from './sessions.js';

/** Answers agents' messages; every failure becomes an answer, nothing ends the process. */
export function serveAgents(parts: {
  readonly bus: Bus;
  readonly sessions: Sessions;
  readonly claims: Claims;
  readonly changes: ChangeLog;
  readonly api: VolplaneApi;
  readonly clock: Clock;
  readonly log: Logger;
}): BusSubscription {
  const { bus, sessions, claims, changes, api, clock, log } = parts;
  const handle = (message: ManagerMessage): Promise<unknown> => {
    switch (message.type) {
      case 'register':
        return sessions.register(message);
      case 'heartbeat':
        return sessions.heartbeat(message);
      case 'claim':
        return claims.claim(message);
      case 'release':
        return claims.release(message);
      case 'held-list':
        return claims.heldList(message);
      case 'unguarded':
        return sessions.setUnguarded(message);
      case 'inventory':
        return sessions.saveInventory(message);
      case 'changes':
        return changes.after(message);
      case 'call':
        return callApi(api, message, clock);
      default:
        return unreachable(message, 'manager message');
    }
  };
  const answer = async (payload: unknown): Promise<unknown> => {
    try {
      return answerOk(await handle(parseMessage(managerMessage, payload, 'message of an agent')));
    } catch (error) {
      if (!(error instanceof AppError)) log.error('message of an agent failed', { error });
      else log.debug('message of an agent refused', { failure: toFailure(error) });
      return answerFailure(error);
    }
  };
  return bus.serve(MANAGERS_SUBJECT, MANAGERS_GROUP, answer, answerTooLarge);
}
