import { encodeDocument } from '@volplane/wire';
import { ManualClock, MemoryKv, waitFor } from '@volplane/testkit';
import { expect } from 'chai';
import { node, sessionDocument } from '../../domain/test/world.js';
import { NodeLives } from '../src/manager/node-lives.js';
import type { ClusterCache } from '../src/store/cluster-cache.js';
import { sessionKey } from '../src/store/keys.js';
import { runningCache } from './running-cache.js';

const N1 = node('n1');

describe('NodeLives', () => {
  let kv: MemoryKv;
  let cache: ClusterCache;
  let end: () => Promise<void>;

  beforeEach(async () => {
    const clock = new ManualClock();
    kv = new MemoryKv({ clock });
    ({ cache, end } = await runningCache({ kv, clock }));
  });

  afterEach(() => end());

  const begin = async (session: number): Promise<void> => {
    const value = encodeDocument(sessionDocument('n1', session));
    await kv.transact([{ compares: [], writes: [{ type: 'put', key: sessionKey(N1), value }] }]);
    await waitFor(() => cache.sessions.get(N1)?.document.session === String(session), { what: `session ${String(session)} is known` });
  };

  it('gives all who ask one signal, which fires when the session is another one', async () => {
    const lives = new NodeLives(cache);
    expect(lives.present(N1)).to.equal(undefined);
    await begin(1);
    const { signal, life } = lives.present(N1) ?? {};
    expect(lives.present(N1)?.signal).to.equal(signal);
    expect(life?.session).to.equal('1');
    await begin(2);
    expect(signal?.aborted).to.equal(true);
    expect(lives.present(N1)?.signal.aborted).to.equal(false);
  });

  it('never hands out the signal of an earlier life, also to who hears of the new one first', async () => {
    const made: { lives?: NodeLives } = {};
    const handedOut: (string | undefined)[] = [];
    const signals: AbortSignal[] = [];
    cache.listen({
      onSession: () => {
        const present = made.lives?.present(N1);
        handedOut.push(present?.life.session);
        if (present !== undefined) signals.push(present.signal);
      },
    });
    made.lives = new NodeLives(cache);
    await begin(1);
    await begin(2);
    expect(handedOut).to.deep.equal(['1', '2']);
    expect(signals.map(({ aborted }) => aborted)).to.deep.equal([true, false]);
  });
});
