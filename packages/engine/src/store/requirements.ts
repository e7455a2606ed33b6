import type { Requirement } from '@volplane/domain';
import type { KvCompare } from '@volplane/ports';
import { sessionKey, unguardedKey } from './keys.js';

/** What a decision rests on, as the store compares it in the transaction. */
export function toCompare(requirement: Requirement): KvCompare {
  switch (requirement.type) {
    case 'session-present':
      return { type: 'lease', key: sessionKey(requirement.node), lease: requirement.session };
    case 'session-absent':
      return { type: 'revision', key: sessionKey(requirement.node), modRevision: 0 };
    case 'guarded':
      return { type: 'revision', key: unguardedKey(requirement.node), modRevision: 0 };
  }
}
