import { inFile, type Mutant } from './mutant.js';

const COMMANDS = inFile('packages/engine/src/agent/commands.ts');
const LIFE = inFile('packages/domain/src/life.ts');
const OWNERSHIP = inFile('packages/domain/src/ownership.ts');
const RELEASE = inFile('packages/domain/src/release.ts');
const GLOBAL_MOUNTS = inFile('packages/engine/src/agent/global-mounts.ts');
const DRIVER_SET = inFile('packages/engine/src/agent/driver-set.ts');
const FAKE_DRIVER = inFile('packages/testkit/src/fakes/fake-driver.ts');
const BRAKE = inFile('packages/engine/src/manager/brake.ts');
const WORLD = inFile('test/sim/world.ts');

const REPEATED = 'if (memory?.operationId === command.operationId && memory.answer !== undefined) return memory.answer;';

/** Guards of volumes as they are made, moved and removed, and the brake. */
export const GUARDS_OF_LIVES: readonly Mutant[] = [
  {
    name: 'remove-forward',
    rule: '15: a remove that was sent only goes forward',
    shownBy: 'seeds',
    seeds: 40,
    mix: 'lives',
    edits: [
      COMMANDS(
        "command.kind === 'remove' || !hasReason(error, ...KNOWN_FAILURES)",
        "!hasReason(error, ...KNOWN_FAILURES, 'DRIVER_UNAVAILABLE')",
      ),
      LIFE(
        "if (answer.result.type === 'failed') return unchanged(document);",
        `if (answer.result.type === 'failed') {
    const back: VolumeDocument = { ...withoutOperation(document), phase: 'ready' };
    return commit(back, back);
  }`,
      ),
    ],
  },
  {
    name: 'remove-acknowledged',
    rule: '15: the end of a session acknowledges no remove',
    shownBy: 'seeds',
    seeds: 40,
    mix: 'lives',
    edits: [
      OWNERSHIP(
        'document.formerOwners.filter((former) => lostWord(view, former) === undefined);',
        'document.formerOwners.filter((former) => view.session(former.node) !== undefined);',
      ),
    ],
  },
  {
    name: 'command-incarnation',
    rule: '15: a command names the incarnation',
    shownBy: 'seeds',
    seeds: 40,
    mix: 'users',
    edits: [COMMANDS(' && live.incarnation === message.incarnation) return;', ') return;')],
  },
  {
    name: 'word-compare',
    rule: '16: an operator’s word compares that the node has no session',
    shownBy: 'seeds',
    seeds: 150,
    mix: 'beliefs',
    edits: [RELEASE('{ released: true }, [gone]);', '{ released: true }, []);')],
  },
  {
    name: 'create-answer',
    rule: '17: the answer to a create counts for its owner and epoch only',
    shownBy: 'seeds',
    seeds: 40,
    mix: 'answers',
    edits: [
      LIFE(' || document.epoch !== answer.epoch) return', ') return'),
      LIFE(
        `if (document.ownerUid !== answer.nodeUid) return unchanged(document);
  if (answer`,
        'if (answer',
      ),
    ],
  },
  {
    name: 'create-answer-epoch',
    rule: '17: the answer to a create counts for its epoch only',
    shownBy: 'nothing',
    seeds: 60,
    mix: 'answers',
    why: "the answer's node is compared as well, and what it has made is made",
    edits: [LIFE(' || document.epoch !== answer.epoch) return', ') return')],
  },
  {
    name: 'agent-epoch',
    rule: '17: an agent refuses a command with a lower epoch',
    shownBy: 'seeds',
    seeds: 80,
    mix: 'lives',
    edits: [
      COMMANDS('if (memory !== undefined && command.epoch < memory.epoch) throw', 'if (memory !== undefined && command.epoch < 0) throw'),
    ],
  },
  {
    name: 'agent-epoch-claim',
    rule: '17: an agent refuses a grant with a lower epoch',
    shownBy: 'nothing',
    seeds: 140,
    why: 'the record grants no lower epoch; a storage that checks epochs would refuse it',
    edits: [GLOBAL_MOUNTS('seen !== undefined && seen.epoch > epoch', 'seen !== undefined && seen.epoch < 0')],
  },
  {
    name: 'former-owners',
    rule: '18: former owners stay listed until they have removed it',
    shownBy: 'seeds',
    seeds: 40,
    mix: 'lives',
    edits: [
      OWNERSHIP(
        'const formerOwners = [...document.formerOwners.filter((former) => former.nodeUid !== leaving.nodeUid), leaving];',
        'const formerOwners = document.formerOwners.filter((former) => former.nodeUid !== leaving.nodeUid);',
      ),
    ],
  },
  {
    name: 'one-driver-call',
    rule: '18: a command waits for the driver call before it',
    shownBy: 'nothing',
    seeds: 140,
    why: 'drivers take a repeated call',
    edits: [DRIVER_SET('if (before === undefined) this.#waiting.set(uid, []);', 'if (true) this.#waiting.set(uid, []);')],
  },
  {
    name: 'uid-epochs',
    rule: '1: epochs are kept by uid',
    shownBy: 'seeds',
    seeds: 40,
    edits: [
      COMMANDS('const memory = this.#book.command(command.uid);', 'const memory = this.#book.command(command.name as never);'),
      COMMANDS('remember(command.uid, begun)', 'remember(command.name as never, begun)'),
      COMMANDS('this.#book.command(command.uid)?.epoch', 'this.#book.command(command.name as never)?.epoch'),
      COMMANDS("remember(command.uid, command.kind === 'remove'", "remember(command.name as never, command.kind === 'remove'"),
    ],
  },
  {
    name: 'uid-objects',
    rule: '1: a driver tells its objects apart by uid; with the answer to a repeated command (command-once), which covers it, off as well',
    shownBy: 'seeds',
    seeds: 400,
    mix: 'lives',
    edits: [FAKE_DRIVER('return present?.uid === volume.uid ? present : undefined;', 'return present;'), COMMANDS(REPEATED, '')],
  },
  {
    name: 'command-once',
    rule: '15: a repeated command is answered from the journal',
    shownBy: 'seeds',
    seeds: 150,
    mix: 'answers',
    edits: [COMMANDS(REPEATED, '')],
  },
  {
    name: 'release-uid',
    rule: '1: a release names the uid',
    shownBy: 'nothing',
    seeds: 140,
    why: 'seq belongs to the node, not to the volume: an old one ends no claim of the new volume',
    edits: [RELEASE('document.uid !== release.uid || mine === undefined', 'mine === undefined')],
  },
  {
    name: 'brake',
    rule: 'the brake on mass takeovers',
    shownBy: 'seeds',
    seeds: 20,
    mix: 'disasters',
    edits: [BRAKE('if (lost <= 1 || lost <= nodes * this.#limits.lostShareMax) return undefined;', 'if (lost >= 0) return undefined;')],
  },
  {
    name: 'left-calls',
    rule: '18: a restarted agent waits for the driver calls that its predecessor left running',
    shownBy: 'seeds',
    seeds: 200,
    mix: 'lives',
    edits: [WORLD('if (waitMs > 0) {', 'if (waitMs > 1e9) {')],
  },
];
