import { AppError } from '@volplane/base';
import {
  checkDocument,
  decideAnswer,
  decideBegin,
  decideClaim,
  decideCreate,
  decideDropLost,
  decideForceRelease,
  decideNodeLost,
  decideRaiseEpoch,
  holdersToFence,
  decideRehome,
  decideRelease,
  decideReleaseGone,
  decideRemove,
  decideSettings,
  isExclusiveWriter,
  pendingCommands,
  type AccessMode,
  type Claim,
  type ClusterView,
  type Decision,
  type PendingCommand,
  type TakeoverPolicy,
  type VolumeDocument,
  type VolumeUid,
} from '../src/index.js';
import { mountId, node, nodeUid, operationId, sessionId, spec, volumeName, volumeUid } from './world.js';
import { holds, newMachine, seenOf, type Machine } from './model-machine.js';
import { CHANGES_NODES, type Step } from './model-step.js';

/** The state of the store at one moment. */
interface Look {
  readonly document: VolumeDocument | undefined;
  readonly view: ClusterView;
}

/**
 * A volume name, three nodes and what is on its way between them and managers whose memory may be behind, with the simplest agents
 * that keep their half of docs/ownership.md. Whatever order the steps come in, the promises hold; `check` throws when one is broken.
 */
export class Model {
  document: VolumeDocument | undefined;
  readonly #machines: readonly Machine[];
  readonly #accessMode: AccessMode;
  readonly #takeover: TakeoverPolicy;
  readonly #looks: Look[] = [];
  readonly #commands: { readonly command: PendingCommand; readonly uid: VolumeUid; readonly session: number }[] = [];
  readonly #answers: { readonly command: PendingCommand; readonly uid: VolumeUid; readonly failed: boolean }[] = [];
  readonly #grants: {
    readonly machine: Machine;
    readonly machineUid: string;
    readonly session: number;
    readonly document: VolumeDocument;
    readonly seq: number;
  }[] = [];
  readonly #releases: { readonly machine: Machine; readonly machineUid: string; readonly uid: VolumeUid; readonly seq: number }[] = [];
  /** Uids whose data is on the storage, and those whose record was deleted because everybody has removed his part. */
  readonly #data = new Set<VolumeUid>();
  readonly #removed = new Set<VolumeUid>();
  /** The storage refuses every lower epoch. */
  readonly #fencedBelow = new Map<VolumeUid, number>();
  /** The nodes as they are; undefined when they have changed since. */
  #seen: ClusterView | undefined;
  #counter = 0;
  commits = 0;

  constructor(accessMode: AccessMode, takeover: TakeoverPolicy) {
    this.#accessMode = accessMode;
    this.#takeover = takeover;
    this.#machines = ['n1', 'n2', 'n3'].map((name) => newMachine(name, name, (this.#counter += 1)));
  }

  run(step: Step): void {
    this.#looks.push({ document: this.document, view: this.#view() });
    if (this.#looks.length > LOOKS_KEPT) this.#looks.shift();
    this.#do(step);
    if (CHANGES_NODES.includes(step.kind)) this.#seen = undefined;
    this.#check(step);
  }

  #do(step: Step): void {
    const machine = this.#machines[step.by % this.#machines.length];
    const other = this.#machines[step.other % this.#machines.length];
    if (machine === undefined || other === undefined) return;
    switch (step.kind) {
      case 'create': {
        this.#create(machine, step);
        return;
      }
      case 'claim': {
        this.#claim(machine, step, false);
        return;
      }
      case 'claim-with-fence': {
        this.#claim(machine, step, true);
        return;
      }
      case 'mount': {
        this.#mount(step);
        return;
      }
      case 'unmount': {
        this.#unmount(machine);
        return;
      }
      case 'deliver-release': {
        this.#deliverRelease(step);
        return;
      }
      case 'session-ends': {
        this.#endSession(machine, step.at % 3 === 0);
        return;
      }
      case 'session-begins': {
        this.#beginSession(machine);
        return;
      }
      case 'send-commands': {
        this.#sendCommands();
        return;
      }
      case 'run-command': {
        this.#runCommand(step);
        return;
      }
      case 'deliver-answer': {
        this.#deliverAnswer(step);
        return;
      }
      default: {
        this.#decideOrDeclare(step, machine, other);
      }
    }
  }

  /** What managers decide for callers and operators, and what operators do to machines. */
  #decideOrDeclare(step: Step, machine: Machine, other: Machine): void {
    switch (step.kind) {
      case 'remove': {
        this.#decide(step, (document, view) => decideRemove(document, { name: 'data', operationId: this.#newId() }, view));
        return;
      }
      case 'rehome-request':
      case 'rehome-gone': {
        this.#rehome(machine, step);
        return;
      }
      case 'expand': {
        this.#decide(step, (document, view) =>
          decideBegin(document, { name: 'data', operationId: this.#newId(), kind: 'expand', parameters: {} }, view),
        );
        return;
      }
      case 'settings': {
        this.#decide(step, (document, view) =>
          decideSettings(document, 0, { name: 'data', set: {}, drop: [], takeover: step.takeover }, view),
        );
        return;
      }
      case 'unguarded':
      case 'guarded':
        // Only a node in touch can have it written, and a node without a guardian has nothing that would abort (rule 20).
        if (machine.session !== undefined) machine.isUnguarded = step.kind === 'unguarded';
        return;
      case 'force-release':
        if (machine.isOff)
          this.#decide(step, (document, view) =>
            decideForceRelease(document, { name: 'data', node: node(machine.name), note: 'off' }, view),
          );
        return;
      case 'declare-lost':
        if (machine.isOff && machine.session === undefined) machine.isLost = true;
        return;
      case 'settle-lost': {
        this.#settleLost(machine, other, step);
        return;
      }
      case 'drop-lost': {
        this.#decide(step, (document, view) => (document === undefined ? UNCHANGED : decideDropLost(document, view)));
        return;
      }
      case 'replace-machine':
        if (machine.isLost)
          Object.assign(machine, newMachine(machine.name, `${machine.name}-${String((this.#counter += 1))}`, (this.#counter += 1)));
        return;
      case 'release-gone': {
        this.#decide(step, (document, view) => decideReleaseGone(document, { name: 'data', node: node(machine.name) }, view));
        return;
      }
      default:
        throw new Error(`nobody does ${step.kind}`);
    }
  }

  #create(machine: Machine, step: Step): void {
    if (machine.session === undefined) return;
    const uid = volumeUid(`u${String((this.#counter += 1))}`);
    const owner = { node: node(machine.name), nodeUid: nodeUid(machine.uid), session: sessionId(machine.session) };
    const wanted = spec({ accessMode: this.#accessMode, takeover: this.#takeover });
    const create = { name: volumeName('data'), uid, operationId: this.#newId(), spec: wanted, owner, parameters: {} };
    this.#decide(step, (document, view) => decideCreate(document, create, view));
  }

  #claim(machine: Machine, step: Step, withFence: boolean): void {
    const { session } = machine;
    if (session === undefined || machine.isOff || machine.mount !== undefined) return;
    machine.seq += 1;
    const identity = { node: node(machine.name), nodeUid: nodeUid(machine.uid) };
    const mode = this.#accessMode.endsWith('reader-only') ? 'ro' : step.mode;
    let claim: Claim = { ...identity, session: sessionId(session), seq: machine.seq, mode, mountId: mountId('c1') };
    if (withFence && this.document !== undefined) {
      const { uid } = this.document;
      const unfenced = claim;
      this.#decide(
        step,
        (document, view) =>
          document?.uid === uid ? decideRaiseEpoch(document, holdersToFence(document, unfenced, view), view) : UNCHANGED,
        (epoch) => {
          this.#fencedBelow.set(uid, Math.max(epoch, this.#fencedBelow.get(uid) ?? 0));
          claim = { ...unfenced, fence: { uid, epoch, receipt: 'r' } };
        },
      );
    }
    this.#decide(
      step,
      (document, view) => decideClaim(document, claim, 'data', view),
      (grant) => {
        this.#grants.push({ machine, machineUid: machine.uid, session, document: grant.document, seq: claim.seq });
      },
    );
  }

  /** A grant arrives: usable only in the session in which its claim was sent (rule 5), and only if it was not given up since. */
  #mount(step: Step): void {
    const grant = youngest(this.#grants, step.at);
    if (grant === undefined) return;
    const { machine, machineUid, session, document, seq } = grant;
    const isCurrent = machine.uid === machineUid && machine.session === session && machine.seq === seq && !machine.isOff;
    const attachment = document.attachments[node(machine.name)];
    if (!isCurrent || attachment === undefined || machine.mount !== undefined) return;
    if (document.spec.takeover === 'lease' && machine.isUnguarded) return;
    machine.mount = { uid: document.uid, seq, epoch: attachment.epoch, mode: attachment.mode, session, takeover: document.spec.takeover };
  }

  /** The kernel unmount, then the release with a newer seq, which is on its way for as long as it likes. */
  #unmount(machine: Machine): void {
    const { mount } = machine;
    if (mount === undefined || machine.isOff) return;
    machine.mount = undefined;
    machine.seq += 1;
    this.#releases.push({ machine, machineUid: machine.uid, uid: mount.uid, seq: machine.seq });
  }

  #deliverRelease(step: Step): void {
    const release = youngest(this.#releases, step.at);
    if (release === undefined) return;
    const identity = { node: node(release.machine.name), nodeUid: nodeUid(release.machineUid) };
    this.#decide(step, (document, view) => decideRelease(document, { ...identity, uid: release.uid, seq: release.seq, detail: '' }, view));
  }

  /** The lease ends: lease-bound mounts were aborted before that, unless there was no guardian; others run on. */
  #endSession(machine: Machine, isOff: boolean): void {
    machine.session = undefined;
    machine.isOff ||= isOff;
    if (machine.isOff || (machine.mount?.takeover === 'lease' && !machine.isUnguarded)) machine.mount = undefined;
  }

  #beginSession(machine: Machine): void {
    if (machine.isLost || machine.session !== undefined) return;
    machine.session = this.#counter += 1;
    machine.isOff = false;
    // What its claims were granted in other sessions it forfeits, with a newer seq (rule 5).
    machine.seq += 1;
  }

  /** What the document is waiting for, to each node that is in touch; a command names the session that it is meant for (rule 15). */
  #sendCommands(): void {
    const { document } = this;
    if (document === undefined) return;
    for (const command of pendingCommands(document)) {
      const session = this.#machines.find(({ uid }) => command.nodeUid === nodeUid(uid))?.session;
      if (session !== undefined) this.#commands.push({ command, uid: document.uid, session });
    }
  }

  /**
   * An agent runs a command of its session, unless its epoch is below the highest that it has seen for the uid (rule 17). One whose
   * operation it has run before it answers from its journal.
   */
  #runCommand(step: Step): void {
    const entry = youngest(this.#commands, step.at);
    const machine = this.#machines.find(({ uid }) => entry?.command.nodeUid === nodeUid(uid));
    if (entry === undefined || machine === undefined || machine.isOff || machine.session !== entry.session) return;
    const { command, uid } = entry;
    if (command.epoch < (machine.highest.get(uid) ?? 0)) return;
    machine.highest.set(uid, command.epoch);
    const known = machine.outcomes.get(command.operationId);
    const failed = known ?? (command.kind !== 'remove' && step.late % 3 === 1);
    machine.outcomes.set(command.operationId, failed);
    if (known === undefined && command.kind === 'create' && !failed) this.#data.add(uid);
    if (known === undefined && command.kind === 'remove') this.#data.delete(uid);
    this.#answers.push({ command, uid, failed });
  }

  #deliverAnswer(step: Step): void {
    const answer = youngest(this.#answers, step.at);
    if (answer === undefined) return;
    const { command, uid, failed } = answer;
    const result = failed
      ? ({ type: 'failed', failure: new AppError('DRIVER_FAILED', 'failed').failure } as const)
      : ({ type: 'done', facts: {} } as const);
    const { operationId: id, nodeUid: by, epoch } = command;
    this.#decide(step, (document, view) =>
      decideAnswer(document, { uid, operationId: id, nodeUid: by, epoch, result }, this.#newId(), view),
    );
  }

  #rehome(machine: Machine, step: Step): void {
    if (machine.session === undefined) return;
    const to = { node: node(machine.name), nodeUid: nodeUid(machine.uid), session: sessionId(machine.session) };
    const why = step.kind === 'rehome-gone' ? 'owner-gone' : 'requested';
    this.#decide(step, (document, view) => (document === undefined ? UNCHANGED : decideRehome(document, to, why, view)));
  }

  #settleLost(machine: Machine, other: Machine, step: Step): void {
    if (!machine.isLost) return;
    const lost = { node: node(machine.name), nodeUid: nodeUid(machine.uid), word: 'off' };
    const to =
      other.session === undefined ? undefined : { node: node(other.name), nodeUid: nodeUid(other.uid), session: sessionId(other.session) };
    this.#decide(step, (document, view) => decideNodeLost(document, lost, to, view));
  }

  /** Decides from an old look and commits if the store still has that document and everything that is compared. */
  #decide<A>(
    step: Step,
    decide: (document: VolumeDocument | undefined, view: ClusterView) => Decision<A>,
    onCommit: (answer: A) => void = () => undefined,
  ): void {
    const look = this.#looks[Math.max(0, this.#looks.length - 1 - step.late)];
    const fresh = step.late === 0;
    const decision = fresh ? decide(this.document, this.#view()) : look === undefined ? UNCHANGED : decide(look.document, look.view);
    if (decision.type !== 'commit') return;
    if (!fresh && look?.document !== this.document) return;
    if (!decision.requirements.every((requirement) => holds(this.#machines, requirement))) return;
    const before = this.document;
    this.document = decision.document;
    this.commits += 1;
    const violations = checkDocument(before, decision.document);
    if (violations.length > 0) throw new Error(violations.map(({ invariant, message }) => `${invariant}: ${message}`).join('; '));
    if (before !== undefined && decision.document === undefined) this.#removed.add(before.uid);
    if (before?.phase === 'creating' && decision.document?.phase === 'ready' && !this.#data.has(before.uid)) {
      throw new Error('a volume is ready that has no data (rule 17)');
    }
    onCommit(decision.answer);
    this.#sendCommands();
  }

  #check(step: Step): void {
    const mounts = this.#machines.flatMap(({ name, mount }) => (mount === undefined ? [] : [{ name, ...mount }]));
    const writers = mounts.filter(({ uid, epoch, mode }) => mode === 'rw' && epoch >= (this.#fencedBelow.get(uid) ?? 0));
    if (isExclusiveWriter(this.#accessMode) && writers.some((one) => writers.some((two) => one.name !== two.name && one.uid === two.uid))) {
      throw new Error(
        `two nodes can write after ${step.kind}: ${writers.map(({ name, epoch }) => `${name} at ${String(epoch)}`).join(', ')}`,
      );
    }
    for (const uid of this.#removed)
      if (this.#data.has(uid)) throw new Error(`data of a removed volume that nobody cleans, after ${step.kind} (rule 18)`);
  }

  #view(): ClusterView {
    this.#seen ??= seenOf(this.#machines);
    return this.#seen;
  }

  #newId(): ReturnType<typeof operationId> {
    return operationId(`o${String((this.#counter += 1))}`);
  }
}

/** No manager's memory is further behind. */
const LOOKS_KEPT = 8;

/** What is on its way, counted from the youngest; what is older than `back` may be anything before it. */
function youngest<T>(items: readonly T[], back: number): T | undefined {
  return items.length === 0 ? undefined : items[items.length - 1 - (back % items.length)];
}

const UNCHANGED = { type: 'unchanged', answer: undefined } as never;
