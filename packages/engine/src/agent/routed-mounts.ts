import { AppError } from '@volplane/base';
import type { MountView, NodeName } from '@volplane/domain';
import type { AgentMessageOf } from '@volplane/wire';

type RoutedMount = AgentMessageOf<'mount'>;

/**
 * Mounts for callers elsewhere. Each is begun once, however often its message arrives, and not at all once it is too late: there is no
 * cancel, so a mount that its caller has given up must not come up behind the caller's own unmount (rule 8).
 */
export class RoutedMounts {
  readonly #node: NodeName;
  readonly #beat: () => number;
  readonly #mount: (message: RoutedMount) => Promise<MountView>;
  /** By request id, until the request would be too late anyway. */
  readonly #begun = new Map<string, { readonly untilBeat: number; readonly answer: Promise<MountView> }>();

  constructor(parts: {
    readonly node: NodeName;
    readonly beat: () => number;
    readonly mount: (message: RoutedMount) => Promise<MountView>;
  }) {
    this.#node = parts.node;
    this.#beat = parts.beat;
    this.#mount = parts.mount;
  }

  /** @throws AppError DEADLINE_EXCEEDED when it came too late (nothing was begun), OVERLOADED, what the mount throws */
  async run(message: RoutedMount): Promise<MountView> {
    const { name, requestId, untilBeat } = message;
    const begun = this.#begun.get(requestId);
    if (begun !== undefined) return await begun.answer;
    if (this.#beat() > untilBeat) {
      const text = `the mount of volume ${name} came too late to node ${this.#node}; nothing was begun, repeat it if it is still wanted`;
      throw new AppError('DEADLINE_EXCEEDED', text, { volume: name, node: this.#node });
    }
    this.#forgetLate();
    if (this.#begun.size >= BEGUN_MAX) {
      throw new AppError('OVERLOADED', `node ${this.#node} has ${String(BEGUN_MAX)} mounts for callers elsewhere in hand`, {
        node: this.#node,
        retryDelayMs: '1000',
      });
    }
    const answer = this.#mount(message);
    this.#begun.set(requestId, { untilBeat, answer });
    return await answer;
  }

  #forgetLate(): void {
    const beat = this.#beat();
    for (const [requestId, { untilBeat }] of this.#begun) if (untilBeat < beat) this.#begun.delete(requestId);
  }
}

/** Of the last few heartbeats; each is a promise and a few strings. */
const BEGUN_MAX = 10_000;
