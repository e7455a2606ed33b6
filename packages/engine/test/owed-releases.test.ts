import { AppError, seededRandom, silentLogger } from '@volplane/base';
import type { VolumeName, VolumeUid } from '@volplane/domain';
import { gate, ManualClock, waitFor, type Gate } from '@volplane/testkit';
import { expect } from 'chai';
import type { AgentBook, Changes, OwedRelease } from '../src/agent/agent-book.js';
import type { AgentSession, SessionListener } from '../src/agent/agent-session.js';
import type { Managers } from '../src/agent/managers.js';
import { OwedReleases } from '../src/agent/owed-releases.js';

/** When what is owed is tried again. The session, the book and the managers are stand-ins; time stands still unless it is let pass. */
describe('owed releases', () => {
  let clock: ManualClock;
  let owed: Map<string, OwedRelease>;
  let listeners: SessionListener[];
  /** The name of every release that was sent. */
  let sent: string[];
  let answer: (name: string) => Promise<void>;
  let releases: OwedReleases;
  let end: AbortController;
  let running: Promise<void>;
  let hold: Gate;

  beforeEach(() => {
    clock = new ManualClock();
    owed = new Map();
    listeners = [];
    sent = [];
    answer = () => Promise.resolve();
    hold = gate();
    const book = {
      releases: () => [...owed.values()],
      release: (uid: VolumeUid) => owed.get(uid),
      async keep(changes: Changes) {
        for (const uid of Object.keys(changes.releases ?? {})) owed.delete(uid);
      },
    };
    const session = { listen: (listener: SessionListener) => listeners.push(listener), speaker: () => ({}) };
    const managers = {
      async ask({ name }: { readonly name: string }) {
        sent.push(name);
        await answer(name);
      },
    };
    releases = new OwedReleases({
      // What it uses of them, and nothing else.
      ...{ book: book as unknown as AgentBook, session: session as unknown as AgentSession, managers: managers as unknown as Managers },
      ...{ clock, random: seededRandom(7), log: silentLogger },
    });
    end = new AbortController();
  });

  afterEach(async () => {
    hold.open();
    end.abort();
    await running;
  });

  function owe(name: string): VolumeUid {
    const uid = name.repeat(32).slice(0, 32) as VolumeUid; // 32 characters; nobody looks at them
    owed.set(uid, { name: name as VolumeName, uid, seq: 1, detail: 'unmounted' });
    return uid;
  }

  const run = (): void => {
    running = releases.run(end.signal);
  };
  const refuse = (): Promise<never> => Promise.reject(new AppError('NO_MANAGER', 'no manager answers'));
  const beginSession = (): void => {
    for (const listener of listeners) listener.onBegan?.({} as Parameters<NonNullable<SessionListener['onBegan']>>[0]); // not looked at
  };
  const settled = async (what: string): Promise<void> => {
    await clock.advance(0);
    await waitFor(() => owed.size === 0, { what });
  };

  it('are tried again at once with a new session, also right after a failure', async () => {
    answer = refuse;
    owe('a');
    run();
    await waitFor(() => sent.length === 1, { what: 'the first try' });
    await clock.advance(0);
    answer = () => Promise.resolve();
    beginSession();
    await settled('it is acknowledged');
  });

  it('are tried again when one failed while others are delivered', async () => {
    answer = (name) => (name === 'b' ? refuse() : hold.opened);
    owe('a');
    run();
    await waitFor(() => sent.length === 1, { what: 'the background delivers the first' });
    expect(await releases.deliver(owe('b'), 1_000)).to.equal(false);
    answer = () => Promise.resolve();
    hold.open();
    await settled('both are acknowledged');
  });

  it('wait longer and longer after failures, whoever fails beside them', async () => {
    answer = refuse;
    const uid = owe('a');
    run();
    await waitFor(() => sent.length === 1, { what: 'the first try' });
    await clock.advance(0);
    expect(await releases.deliver(uid, 1_000)).to.equal(false);
    await clock.advance(0);
    expect(sent).to.have.length(2);
    await clock.advance(10_000);
    expect(sent).to.have.length.above(2);
  });
});
