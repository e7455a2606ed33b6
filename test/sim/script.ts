import { assert, hasReason } from '@volplane/base';
import type { MountMode, MountView, TakeoverPolicy, VolumeDocument } from '@volplane/domain';
import { DEFAULT_BRAKE, type Agent } from '@volplane/engine';
import type { FakeMount } from '@volplane/testkit';
import { World, type MessageRule, type SimNode } from './world.js';

export type Rule = MessageRule;

/**
 * A simulated cluster whose faults are written down step by step: n1, n2, n3 and m1, m2 in calm weather. Every invariant is checked
 * after every event, so that a step throws when one does not hold.
 */
export class Script {
  readonly world: World;
  #rules: readonly Rule[] = [];

  constructor(options: { readonly managers?: number; readonly rules?: readonly Rule[]; readonly trace?: (line: string) => void } = {}) {
    this.#rules = options.rules ?? [];
    this.world = new World({
      seed: 1,
      sessionTtlMs: TTL_MS,
      ...(options.trace === undefined ? {} : { trace: options.trace }),
      mix: {
        name: 'script',
        nodes: 3,
        managers: options.managers ?? 2,
        volumes: 0,
        kinds: [],
        callEveryMs: 1,
        calls: { create: 0, mount: 0, end: 0, remove: 0, transfer: 0 },
        faultEveryMs: 1,
        faults: {},
        reusesIds: false,
        lingerMs: 0,
        brake: { ...DEFAULT_BRAKE, lostShareMax: 1 },
      },
    });
    this.world.script = (message) => this.#rules.map((rule) => rule(message)).find((fate) => fate !== undefined);
  }

  /** Replaces the rules for messages. */
  rules(...rules: readonly Rule[]): void {
    this.#rules = rules;
  }

  async pass(ms: number): Promise<void> {
    await this.world.run(this.world.time.nowMs + ms);
  }

  async until(condition: () => boolean, what: string): Promise<void> {
    const endMs = this.world.time.nowMs + WAIT_MS_MAX;
    while (!condition()) {
      assert(this.world.time.nowMs < endMs, `it comes to pass that ${what}`);
      await this.pass(1);
    }
  }

  /** The outcome of `work`, with time passing while it is awaited. */
  async settle<T>(work: Promise<T>): Promise<T> {
    let isSettled = false;
    const settle = (): void => {
      isSettled = true;
    };
    work.then(settle, settle);
    await this.until(() => isSettled, 'the call is answered');
    return await work;
  }

  /** The reason of the failure of `work`; `none` when it does not fail. */
  async reasonOf(work: Promise<unknown>): Promise<string> {
    try {
      await this.settle(work);
      return 'none';
    } catch (error) {
      return REASONS.find((reason) => hasReason(error, reason)) ?? String(error);
    }
  }

  async create(name: string, node: string, takeover: TakeoverPolicy = 'manual'): Promise<VolumeDocument> {
    await this.until(() => this.world.checks.hasSession('n1') && this.world.checks.hasSession('n2'), 'nodes have sessions');
    const wish = { name, driver: 'fake', node, accessMode: 'single-node-writer', takeover } as const;
    await this.settle(this.#api().createVolume(wish, this.world.context(WAIT_MS_MAX)));
    return this.document(name);
  }

  /** At the node's own door. */
  mount(node: string, name: string, mountId: string, mode: MountMode = 'rw'): Promise<MountView> {
    return this.#agent(node).api.mountVolume({ name, mountId, mode }, this.world.context(WAIT_MS_MAX));
  }

  unmount(node: string, name: string, mountId: string): Promise<void> {
    return this.#agent(node).api.unmountVolume({ name, mountId }, this.world.context(WAIT_MS_MAX));
  }

  document(name: string): VolumeDocument {
    const found = this.world.checks.documents().find((document) => document.name === name);
    assert(found !== undefined, `volume ${name} exists`);
    return found;
  }

  /** Names of the nodes that the record says hold the volume. */
  holders(name: string): readonly string[] {
    return Object.keys(this.document(name).attachments);
  }

  /** What the node's journal has of the volume. */
  record(node: string, name: string): ReturnType<Agent['book']['mounts']>[number] | undefined {
    return this.#agent(node)
      .book.mounts()
      .find((record) => record.name === name);
  }

  kernelMount(node: string): FakeMount | undefined {
    return this.node(node).kernel.mounts[0];
  }

  node(name: string): SimNode {
    const found = this.world.nodes.find((node) => node.name === name);
    assert(found !== undefined, `there is a node ${name}`);
    return found;
  }

  /** Its agent is gone, and its session has ended. */
  async loseAgent(name: string): Promise<void> {
    this.world.killAgent(this.node(name));
    await this.until(() => !this.world.checks.hasSession(name), `the session of ${name} has ended`);
  }

  #agent(name: string): NonNullable<SimNode['agent']>['agent'] {
    const live = this.node(name).agent;
    assert(live !== undefined, `the agent of ${name} runs`);
    return live.agent;
  }

  #api(): NonNullable<ReturnType<World['someApi']>> {
    const api = this.world.someApi();
    assert(api !== undefined, 'a manager runs');
    return api;
  }
}

/** Requests of a kind, to a node's agent or to the managers, that come from or go to `who`. */
export function requests(type: string, who: string, fate: readonly number[], count = Infinity): Rule {
  let left = count;
  return (message) => {
    const isMeant = message.kind === 'request' && (message.from === who || message.to === who) && typeOf(message.text) === type;
    if (!isMeant || left <= 0) return undefined;
    left -= 1;
    return fate;
  };
}

/** The first claim of a node meets this fate; that it is repeated at other managers is lost. */
export function onlyClaim(node: string, fate: readonly number[]): readonly Rule[] {
  return [requests('claim', node, fate, 1), requests('claim', node, LOST)];
}

/** Answers to a node that carry `text`. */
export function answers(text: string, to: string, fate: readonly number[], count = Infinity): Rule {
  let left = count;
  return (message) => {
    if (message.kind !== 'reply' || message.to !== to || !message.text.includes(text) || left <= 0) return undefined;
    left -= 1;
    return fate;
  };
}

/** No message gets through between the two. */
export function cut(one: string, other: string): Rule {
  return ({ from, to }) => ((from === one && to === other) || (from === other && to === one) ? LOST : undefined);
}

function typeOf(text: string): unknown {
  return (JSON.parse(text) as { readonly type?: unknown }).type;
}

export const TTL_MS = 2_000;
export const LOST: readonly number[] = [];
const WAIT_MS_MAX = 30_000;
const REASONS = [
  'SESSION_LOST',
  'VOLUME_HELD',
  'GUARDIAN_DOWN',
  'MOUNT_UNUSABLE',
  'DEADLINE_EXCEEDED',
  'NOT_OWNER',
  'CONTENTION',
  'NODE_ALIVE',
  'UNKNOWN_OUTCOME',
  'NO_MANAGER',
  'DRIVER_FAILED',
  'DRIVER_UNAVAILABLE',
  'STORE_UNAVAILABLE',
] as const;
