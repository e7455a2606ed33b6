import type { BusMessage } from '@volplane/testkit';
import type { Workload } from './workload.js';
import type { MessageRule, SimNode, World } from './world.js';

export type AimedFaultName =
  | 'mute'
  | 'hold-grant'
  | 'hold-claim'
  | 'late-mount'
  | 'orphan-create'
  | 'late-not-yours'
  | 'late-mounts'
  | 'late-unmounts'
  | 'late-register'
  | 'kill-at-mount'
  | 'kill-both'
  | 'lone-agent'
  | 'blind';

/** Faults that wait for their moment, or meet one kind of message: what chance alone would bring about once in many thousand lives. */
export class AimedFaults {
  readonly #world: World;
  readonly #workload: Workload;
  /** Nodes whose guardian is dead: their agents are left alone by other faults. */
  readonly #alone: Set<SimNode>;
  readonly #rules = new Set<MessageRule>();
  readonly #waiting = new Set<AimedFaultName>();
  readonly acts: Readonly<Record<AimedFaultName, () => void>> = {
    mute: () => {
      this.#mute();
    },
    'hold-grant': () => {
      this.#holdGrant();
    },
    'hold-claim': () => {
      this.#holdClaim();
    },
    'orphan-create': () => {
      this.#orphanCreate();
    },
    'late-mount': () => {
      this.#lateMount();
    },
    'late-not-yours': () => {
      this.#lateNotYours();
    },
    'late-mounts': () => {
      this.#doubled('"type":"mount"', 3_300, 7_000);
    },
    'late-unmounts': () => {
      this.#doubled('"method":"unmountVolume"', 200, 2_500);
    },
    'late-register': () => {
      this.#lateRegister();
    },
    'kill-at-mount': () => {
      this.#killAtMount();
    },
    'kill-both': () => {
      this.#killBoth();
    },
    'lone-agent': () => {
      this.#loneAgent();
    },
    blind: () => {
      this.#blind();
    },
  };

  constructor(world: World, workload: Workload, alone: Set<SimNode>) {
    this.#world = world;
    this.#workload = workload;
    this.#alone = alone;
    world.script = (message) => {
      for (const rule of this.#rules) {
        const fate = rule(message);
        if (fate !== undefined) return fate;
      }
      return undefined;
    };
  }

  heal(): void {
    this.#rules.clear();
    for (const node of this.#world.nodes) node.kernel.afterMount = undefined;
  }

  /** Nobody hears that the node lives: its session ends, while all else that it says and is told gets through. */
  #mute(): void {
    const node = this.#world.pick(this.#world.nodes);
    if (node === undefined) return;
    this.#world.trace(`heartbeats of ${node.name} are lost`);
    this.#during(2_200 + this.#random(1_500), this.#silence(node.name));
  }

  /** The answer to the next claim of a node comes when the session of that claim is over, and perhaps another one has begun. */
  #holdGrant(): void {
    const node = this.#world.pick(this.#world.nodes);
    if (node === undefined) return;
    this.#whenSent(
      'hold-grant',
      ({ kind, to, text }) => kind === 'reply' && to === node.name && text.includes('"takeover":'),
      () => {
        const delayMs = 2_500 + this.#random(6_000);
        this.#world.trace(`the grant for ${node.name} is held back`);
        this.#during(2_300, this.#silence(node.name));
        this.#during(delayMs, lostClaims(node.name));
        return [delayMs];
      },
    );
  }

  /** A mount is begun in the last moments of the session in which it was granted, and is slow. */
  #lateMount(): void {
    const world = this.#world;
    const node = world.pick(world.nodes);
    if (node === undefined) return;
    this.#whenSent(
      'late-mount',
      ({ kind, to, text }) => kind === 'reply' && to === node.name && text.includes('"takeover":'),
      () => {
        const { agent } = node;
        const leftMs = agent === undefined ? 0 : agent.agent.session.validUntilMs - agent.clock.monotonicMs();
        if (leftMs <= 0) return undefined;
        world.trace(`the grant for ${node.name} comes late, and its mount is slow`);
        const delayMs = Math.max(1, leftMs - this.#random(400));
        this.#during(leftMs + 700, this.#silence(node.name));
        this.#during(delayMs, lostClaims(node.name));
        world.weather.mountDelayMsMax = 950;
        world.time.after(leftMs + 2_000, () => {
          world.weather.mountDelayMsMax = 0;
        });
        return [delayMs];
      },
    );
  }

  /** The next claim of a node arrives when its session is over, at a manager that does not know that. */
  #holdClaim(): void {
    const node = this.#world.pick(this.#world.nodes);
    if (node === undefined) return;
    this.#whenSent(
      'hold-claim',
      ({ kind, from, text }) => kind === 'request' && from === node.name && text.includes('"type":"claim"'),
      ({ to }) => {
        const delayMs = 2_500 + this.#random(3_000);
        this.#world.trace(`the claim of ${node.name} at ${to} is held back`);
        this.#during(2_300, this.#silence(node.name));
        this.#during(delayMs, lostClaims(node.name));
        this.#stick(to, delayMs + 500);
        return [delayMs];
      },
    );
  }

  /** The owner's session ends while it makes a volume; the manager that asked for it hears nothing of that, and waits on. */
  #orphanCreate(): void {
    const world = this.#world;
    this.#whenSent(
      'orphan-create',
      ({ kind, text }) => kind === 'request' && text.includes('"type":"command"') && text.includes('"kind":"create"'),
      ({ from, to }) => {
        world.trace(`${from} has asked ${to} for a volume that takes long, and will not hear of the end of its session`);
        world.weather.createDelayMsMax = 6_000;
        world.time.after(6_000, () => {
          world.weather.createDelayMsMax = 0;
        });
        this.#during(4_000, ({ from: sender, text }) => (sender === to && /"type":"(heartbeat|register)"/.test(text) ? [] : undefined));
        this.#stick(from, 8_000);
        return [1];
      },
    );
  }

  /** An agent is restarted twice, quickly, and a copy of the first registration comes behind the second. */
  #lateRegister(): void {
    const world = this.#world;
    const node = world.pick(world.nodes);
    if (node === undefined) return;
    const restart = (): void => {
      if (node.agent === undefined || this.#alone.has(node)) return;
      world.killAgent(node);
      world.startAgent(node);
    };
    this.#whenSent(
      'late-register',
      ({ kind, from, text }) => kind === 'request' && from === node.name && text.includes('"type":"register"'),
      () => {
        world.time.after(300 + this.#random(300), restart);
        return [1, 700 + this.#random(1_500)];
      },
    );
    restart();
  }

  /** Told late that a volume is not its own, a node may have mounted it again. */
  #lateNotYours(): void {
    this.#world.trace('"not yours" is late');
    this.#during(6_000, ({ kind, text }) =>
      kind === 'reply' && text.includes('"notYours":[{') ? [1_000 + this.#random(8_000)] : undefined,
    );
  }

  /** A second copy comes later. */
  #doubled(text: string, fromMs: number, toMs: number): void {
    this.#world.trace(`messages with ${text} come twice`);
    this.#during(6_000, (message) =>
      message.kind === 'request' && message.text.includes(text) ? [1, fromMs + this.#random(toMs - fromMs)] : undefined,
    );
  }

  /** The agent dies in the very moment in which its next mount is there. */
  #killAtMount(): void {
    const world = this.#world;
    const node = world.pick(world.nodes);
    if (node === undefined) return;
    node.kernel.afterMount = () => {
      node.kernel.afterMount = undefined;
      world.time.after(this.#random(2), () => {
        if (this.#alone.has(node)) return;
        world.killAgent(node);
        world.time.after(this.#random(6_000), () => {
          world.startAgent(node);
        });
      });
    };
  }

  /** Guardian and agent are dead together, the agent last: when it is recorded that nobody guards the node. */
  #killBoth(): void {
    const world = this.#world;
    const node = world.pick(world.nodes);
    if (node?.agent === undefined || node.guardian === undefined || node.agent.clock.stopped || this.#alone.has(node)) return;
    this.#alone.add(node);
    world.killGuardian(node);
    const back = (): void => {
      world.startGuardian(node);
      this.#alone.delete(node);
      world.startAgent(node);
    };
    this.#when(
      () => world.checks.isUnguarded(node.name),
      60,
      () => {
        world.killAgent(node);
        world.time.after(2_500 + this.#random(3_000), back);
      },
      back,
    );
  }

  /** A node is cut off in the moment in which its guardian dies: nobody hears of that, and its agent has to keep the deadlines. */
  #loneAgent(): void {
    const world = this.#world;
    const node = world.pick(world.nodes);
    if (node?.agent === undefined || node.guardian === undefined || node.agent.clock.stopped || this.#alone.has(node)) return;
    this.#alone.add(node);
    world.killGuardian(node);
    const aloneMs = 2_500 + this.#random(1_500);
    this.#during(aloneMs, ({ from, to }) => (from === node.name || to === node.name ? [] : undefined));
    world.time.after(aloneMs, () => {
      world.startGuardian(node);
      this.#alone.delete(node);
    });
  }

  /**
   * A node is off until its session ends. It comes back, and a manager hears nothing of that; and the word of an operator, who
   * saw that it was off, comes late.
   */
  #blind(): void {
    const world = this.#world;
    const node = world.pick(world.nodes);
    const manager = world.pick(world.managers);
    if (node?.powered !== true || manager === undefined || this.#alone.has(node)) return;
    const { name } = node;
    world.powerOff(node);
    this.#workload.forget(node);
    const back = (): void => {
      if (!node.powered) world.powerOn(node);
    };
    const blind = (): void => {
      world.trace(`manager ${manager.id} hears nothing of ${name}`);
      const blindMs = 2_000 + this.#random(4_000);
      this.#stick(manager.id, blindMs);
      this.#during(blindMs, ({ from, to }) =>
        (from === name && to === manager.id) || (from === manager.id && to === name) ? [] : undefined,
      );
      world.time.after(this.#random(500), back);
      world.time.after(1_000 + this.#random(2_500), () => {
        const held = world.checks.documents().find((document) => document.attachments[name] !== undefined);
        if (held === undefined) return;
        world.trace(`operator says that ${name} is off, of ${held.name}`);
        world.checks.onForced(held.uid);
        const request = { name: held.name, node: name, note: 'power is off' };
        manager.manager.api.forceRelease(request, world.context(5_000)).catch(() => undefined);
      });
    };
    this.#when(
      () => !world.checks.hasSession(name),
      4_000,
      () => world.time.after(50, blind),
      back,
    );
  }

  /** A node's heartbeats are lost, and its registrations late enough for others to take over before it is back. */
  #silence(node: string): MessageRule {
    return ({ kind, from, text }) => {
      if (kind !== 'request' || from !== node) return undefined;
      if (text.includes('"type":"heartbeat"')) return [];
      return text.includes('"type":"register"') ? [300 + this.#random(600)] : undefined;
    };
  }

  /** Looks every few milliseconds for `forMs` at most. */
  #when(condition: () => boolean, forMs: number, act: () => void, otherwise: () => void): void {
    if (condition()) act();
    else if (forMs <= 0) otherwise();
    else
      this.#world.time.after(LOOK_MS, () => {
        this.#when(condition, forMs - LOOK_MS, act, otherwise);
      });
  }

  /** The next such message in a while has the fate that `act` gives it; one, then no more. A fault that waits already waits on. */
  #whenSent(what: AimedFaultName, isMeant: (message: BusMessage) => boolean, act: MessageRule): void {
    if (this.#waiting.has(what)) return;
    this.#waiting.add(what);
    const stop = (): void => {
      if (this.#rules.delete(rule)) this.#waiting.delete(what);
    };
    const rule: MessageRule = (message) => {
      if (!isMeant(message)) return undefined;
      stop();
      return act(message);
    };
    this.#rules.add(rule);
    this.#world.time.after(AIM_MS, stop);
  }

  /** The watch of a manager hears nothing for a while. */
  #stick(managerId: string, ms: number): void {
    const manager = this.#world.managers.find(({ id }) => id === managerId);
    if (manager === undefined) return;
    manager.watchStuck = true;
    this.#world.time.after(ms, () => {
      manager.watchStuck = false;
    });
  }

  #during(ms: number, rule: MessageRule): void {
    this.#rules.add(rule);
    this.#world.time.after(ms, () => {
      this.#rules.delete(rule);
    });
  }

  #random(max: number): number {
    return this.#world.random.float() * max;
  }
}

/** Repeated, a claim would be answered in time. */
function lostClaims(node: string): MessageRule {
  return ({ kind, from, text }) => (kind === 'request' && from === node && text.includes('"type":"claim"') ? [] : undefined);
}

const LOOK_MS = 10;
/** A fault that waits for its moment gives up after so long. */
const AIM_MS = 3_000;
