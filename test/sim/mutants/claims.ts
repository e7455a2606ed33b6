import { inFile, type Mutant } from './mutant.js';

const RELEASE = inFile('packages/domain/src/release.ts');
const CLAIM = inFile('packages/domain/src/claim.ts');
const AGENT_BOOK = inFile('packages/engine/src/agent/agent-book.ts');
const TAKEOVER = inFile('packages/domain/src/takeover.ts');
const SESSIONS = inFile('packages/engine/src/manager/sessions.ts');
const GLOBAL_MOUNTS = inFile('packages/engine/src/agent/global-mounts.ts');
const HELD_LISTS = inFile('packages/engine/src/agent/held-lists.ts');
const CLAIMS = inFile('packages/engine/src/manager/claims.ts');
const OWED_RELEASES = inFile('packages/engine/src/agent/owed-releases.ts');
const AGENT_SESSION = inFile('packages/engine/src/agent/agent-session.ts');

/** Guards of sessions, claims, releases and lists. */
export const GUARDS_OF_CLAIMS: readonly Mutant[] = [
  {
    name: 'seq-check',
    rule: '2: a release ends only claims up to its seq',
    shownBy: 'seeds',
    seeds: 120,
    mix: 'users',
    edits: [RELEASE(' || mine.seq > release.seq', '')],
  },
  {
    name: 'stale-claim',
    rule: '2: a claim older than the recorded one is refused',
    shownBy: 'seeds',
    seeds: 20,
    edits: [CLAIM('if (mine !== undefined && mine.seq > claim.seq) {', 'if (mine === undefined && claim.seq < 0) {')],
  },
  {
    name: 'durable-seq',
    rule: '2: a seq is reserved on disk before it is used',
    shownBy: 'seeds',
    seeds: 20,
    edits: [AGENT_BOOK("(journal.get('seq') as number | undefined) ?? 0", '0')],
  },
  {
    name: 'synced-seq',
    rule: '2: a reserved seq survives the loss of power',
    shownBy: 'seeds',
    mix: 'machines',
    seeds: 120,
    edits: [AGENT_BOOK('await this.#journal.write({ seq: reserved });', "await this.#journal.write({ seq: reserved }, 'kept');")],
  },
  {
    name: 'session-compare',
    rule: '4: a claim compares that its session is present',
    shownBy: 'seeds',
    seeds: 60,
    mix: 'gaps',
    edits: [CLAIM("[{ type: 'session-present', node: claim.node, session: claim.session }];", '[];')],
  },
  {
    name: 'gone-compare',
    rule: '4: a takeover compares that the holder has no session',
    shownBy: 'seeds',
    seeds: 40,
    mix: 'beliefs',
    edits: [
      TAKEOVER("requirements: [gone, { type: 'guarded', node }]", "requirements: [{ type: 'guarded', node }]"),
      TAKEOVER('fence.receipt), requirements: [gone]', 'fence.receipt), requirements: []'),
    ],
  },
  {
    name: 'start-number',
    rule: '3: a late registration is refused',
    shownBy: 'seeds',
    seeds: 100,
    mix: 'beliefs',
    edits: [SESSIONS('present.startNumber >= message.startNumber && !repeated', 'present.startNumber < 0 && !repeated')],
  },
  {
    name: 'heartbeat-compare',
    rule: '3: a heartbeat is acknowledged only while the session key carries its lease',
    shownBy: 'nothing',
    seeds: 140,
    why: 'the session is read again before the answer, with its incarnation',
    edits: [SESSIONS('if (!outcome.succeeded) return ended;', '')],
  },
  {
    name: 'same-session-grant',
    rule: '5: a grant counts only in the session of its claim',
    shownBy: 'seeds',
    seeds: 40,
    mix: 'gaps',
    edits: [GLOBAL_MOUNTS('if (this.#session.isCurrent(live.session)) return;', 'if (live.session !== record.name) return;')],
  },
  {
    name: 'list-claiming',
    rule: '11: the list tells what is being claimed',
    shownBy: 'seeds',
    seeds: 60,
    edits: [
      HELD_LISTS('const records = [...book.mounts()]', "const records = [...book.mounts()].filter((record) => record.state === 'held')"),
    ],
  },
  {
    name: 'list-releases',
    rule: '11: what is absent from the list is released',
    shownBy: 'seeds',
    seeds: 60,
    edits: [CLAIMS('await this.#releaseAbsent(document, node, nodeUid, seq);', 'await Promise.resolve(seq);')],
  },
  {
    name: 'list-seq',
    rule: '11: the list releases only claims up to its seq',
    shownBy: 'seeds',
    seeds: 240,
    edits: [CLAIMS(' || attachment.seq > seq) continue;', ') continue;'), RELEASE(' || mine.seq > release.seq', '')],
  },
  {
    name: 'not-yours',
    rule: '12: what is held without a record is told and ended',
    shownBy: 'seeds',
    seeds: 40,
    mix: 'words',
    edits: [CLAIMS('return [{ name, uid, seq: claimed }];', 'return [];')],
  },
  {
    name: 'not-yours-seq',
    rule: '12: "not yours" names the seq of the entry',
    shownBy: 'seeds',
    seeds: 40,
    mix: 'words',
    edits: [
      GLOBAL_MOUNTS(
        "if (record?.state !== 'held' || record.seq !== seq || record.granted?.uid !== uid) return;",
        "if (record?.state !== 'held' || record.granted?.uid !== uid) return;",
      ),
    ],
  },
  {
    name: 'not-yours-fresh',
    rule: '12: "not yours" is decided on a linearizable read',
    shownBy: 'seeds',
    seeds: 40,
    edits: [CLAIMS('if (!(await this.#cache.barrier()))', "if (node === '')")],
  },
  {
    name: 'release-retried',
    rule: '13: a release is retried until acknowledged',
    shownBy: 'seeds',
    seeds: 40,
    edits: [OWED_RELEASES('for (const owed of this.#book.releases()) {', 'for (const owed of this.#book.releases().slice(1e6)) {')],
  },
  {
    name: 'release-journal',
    rule: '13: a release that is owed is in the journal',
    shownBy: 'nothing',
    seeds: 140,
    why: 'the list does the same work, a little later',
    edits: [
      GLOBAL_MOUNTS(
        `releases: { [granted.uid]: { name, uid: granted.uid, seq, detail: detail.slice(0, DETAIL_MAX) } },
`,
        '',
      ),
    ],
  },
  {
    name: 'intent-journal',
    rule: '5: the intent to claim is in the journal before the claim',
    shownBy: 'seeds',
    seeds: 120,
    mix: 'guardians',
    edits: [GLOBAL_MOUNTS('await this.#book.keep({ mounts: { [name]: intent } });', '')],
  },
  {
    name: 'drift',
    rule: 'the session ends here a little before the lease can',
    shownBy: 'nothing',
    seeds: 140,
    why: 'the lease is refreshed later than the heartbeat is sent, which is as much again',
    edits: [AGENT_SESSION('live.ttlMs * (1 - CLOCK_DRIFT_MAX)', 'live.ttlMs')],
  },
];
