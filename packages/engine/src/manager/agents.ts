import { AppError, type Clock, type Telemetry } from '@volplane/base';
import type { NodeName, SessionDocument } from '@volplane/domain';
import type { Bus } from '@volplane/ports';
import { nodeSubject, openAnswer, openCallAnswer, usersAnswer, type AgentMessage, type UsersAnswer } from '@volplane/wire';
import type { z } from 'zod';
import type { CallContext } from '../api.js';
import type { ClusterCache } from '../store/cluster-cache.js';
import { missingNode } from './missing-node.js';

/** Speaks to nodes' agents: every message names the session and the incarnation that it is meant for. */
export class Agents {
  readonly #bus: Bus;
  readonly #cache: ClusterCache;
  readonly #clock: Clock;
  readonly #telemetry: Telemetry;

  constructor(parts: { readonly bus: Bus; readonly cache: ClusterCache; readonly clock: Clock; readonly telemetry: Telemetry }) {
    this.#bus = parts.bus;
    this.#cache = parts.cache;
    this.#clock = parts.clock;
    this.#telemetry = parts.telemetry;
  }

  /** @throws AppError NODE_NOT_FOUND, STORE_UNAVAILABLE while the records are not read, NODE_UNAVAILABLE when the node has no session */
  session(node: NodeName): SessionDocument {
    const session = this.#cache.sessions.get(node);
    if (session !== undefined) return session.document;
    if (!this.#cache.nodes.has(node)) throw missingNode(this.#cache, node);
    throw new AppError('NODE_UNAVAILABLE', `node ${node} is gone: it has no session`, { node });
  }

  /** @throws what the agent answers; NODE_UNAVAILABLE when nothing was begun; UNKNOWN_OUTCOME when no answer came */
  async ask<T>(
    node: NodeName,
    message: AgentMessage,
    schema: z.ZodType<T>,
    options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
  ): Promise<T> {
    return openAnswer(await this.#request(node, message, options), schema);
  }

  /** Passes a call of the API on to the node's own API. The caller names the type that the method has. */
  async call<T>(node: NodeName, method: string, request: object, context: CallContext): Promise<T> {
    this.session(node);
    const message: AgentMessage = { type: 'call', method, request: { ...request }, timeoutMs: Math.max(1, Math.floor(context.timeoutMs)) };
    return openCallAnswer(await this.#request(node, message, context)) as T; // both ends take the type from the same method
  }

  /** The mount ids of volumes on the node, and the beat of its agent; undefined when it does not answer quickly. */
  async users(node: NodeName, uids: readonly string[], signal?: AbortSignal): Promise<UsersAnswer | undefined> {
    try {
      return openAnswer(
        await this.#request(node, { type: 'users', uids: [...uids] } as AgentMessage, {
          timeoutMs: USERS_TIMEOUT_MS,
          ...(signal === undefined ? {} : { signal }),
        }),
        usersAnswer,
      );
    } catch (error) {
      if (error instanceof AppError) return undefined;
      throw error;
    }
  }

  async #request(
    node: NodeName,
    message: AgentMessage,
    options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
  ): Promise<unknown> {
    const beganMs = this.#clock.monotonicMs();
    try {
      return await this.#bus.request(nodeSubject(node), message, options);
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      throw new AppError(error.reason, `node ${node}: ${error.message}`, { ...error.failure.fields, node }, error);
    } finally {
      this.#telemetry.phase('bus', this.#clock.monotonicMs() - beganMs);
    }
  }
}

/** Only for telling people more; an agent that is alive answers in milliseconds. */
const USERS_TIMEOUT_MS = 1_000;
