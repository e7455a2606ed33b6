import { systemClock } from '@volplane/base';
import { RPC_LIMITS } from '@volplane/rpc';
import { waitFor } from '@volplane/testkit';
import { loadProtocol } from '@volplane/wire';
import { status } from '@grpc/grpc-js';
import { expect } from 'chai';
import { RawClient, refusal, type SeenRefusal } from '../../packages/rpc/test/raw-client.js';
import { context, TestCluster } from './test-cluster.js';

/**
 * Ten times as many creates as a manager works on at once, against real processes. What is checked is what each caller is told and what
 * is true afterwards; how long it takes is a matter of the bench.
 */
describe('A manager under ten times its load', () => {
  const { createVolume } = loadProtocol().volumes;
  const flood = 10 * RPC_LIMITS.callsRunningMax.write;
  let cluster: TestCluster;

  before(async () => {
    cluster = await TestCluster.start({ managers: 1, agents: 1 });
  });

  after(() => cluster.stop());

  it('sheds with RESOURCE_EXHAUSTED and a delay, keeps what it took, and goes on with health, heartbeats, reads and unmounts', async () => {
    const [manager] = cluster.managers;
    if (manager === undefined) throw new Error('the cluster has a manager');
    const client = cluster.client(manager);
    const held = Array.from({ length: 8 }, (_, index) => `held-${String(index)}`);
    for (const name of held) {
      await client.createVolume({ name, driver: 'shared' }, context());
      await client.mountVolume({ name, node: 'node-1', mountId: 'one' }, context());
    }
    const sessionsBefore = sessionLines(manager.lines);

    const raw = new RawClient(manager.address);
    let answered = 0;
    const create = async (index: number): Promise<SeenRefusal | undefined> => {
      const bytes = createVolume.encodeRequest({ name: `flood-${String(index)}`, driver: 'shared' });
      const call = raw.unary(createVolume.path, bytes, { deadline: systemClock.wallMs() + 120_000 });
      try {
        await call;
        return undefined;
      } catch {
        return await refusal(call);
      } finally {
        answered += 1;
      }
    };
    const told = Promise.all(Array.from({ length: flood }, (_, index) => create(index)));
    await waitFor(() => answered > 0, { what: 'the flood has arrived' });

    // In the middle of it: whoever looks, or gives something back, is let in.
    expect((await client.checkHealth(context())).serving).to.equal(true);
    await Promise.all(held.map((name) => client.unmountVolume({ name, node: 'node-1', mountId: 'one' }, context())));
    // On a busy machine the release may still be owed when the unmount is answered.
    const isFree = async (): Promise<boolean> => (await client.getVolume({ name: 'held-0' }, context())).attachments.length === 0;
    await waitFor(isFree, { what: 'held-0 is attached to nobody' });

    const outcomes = await told;
    raw.close();
    const refused = outcomes.filter((outcome) => outcome !== undefined);
    for (const { code, reason, retryDelayMs } of refused) {
      expect({ code, reason }).to.deep.equal({ code: status.RESOURCE_EXHAUSTED, reason: 'OVERLOADED' });
      expect(retryDelayMs).to.be.greaterThan(0);
    }
    expect(refused.length, 'calls that were shed').to.be.greaterThan(0);
    expect(refused.length, 'calls that were taken').to.be.lessThan(flood);

    // Recovered at once: the next create is taken, and nothing of a refused one was begun.
    await client.createVolume({ name: 'afterwards', driver: 'shared' }, context());
    const names = new Set<string>();
    let pageToken: string | undefined;
    do {
      const page = await client.listVolumes({ pageSize: 1_000, ...(pageToken === undefined ? {} : { pageToken }) }, context());
      for (const { name } of page.volumes) names.add(name);
      pageToken = page.nextPageToken;
    } while (pageToken !== undefined);
    const taken = outcomes.flatMap((outcome, index) => (outcome === undefined ? [`flood-${String(index)}`] : []));
    expect([...names].filter((name) => name.startsWith('flood-')).sort()).to.deep.equal(taken.sort());
    expect((await client.getNode({ name: 'node-1' }, context())).state).to.equal('connected');
    expect(sessionLines(manager.lines), 'sessions that began: heartbeats never stopped').to.equal(sessionsBefore);
  });
});

function sessionLines(lines: readonly string[]): number {
  return lines.filter((line) => line.includes('session began')).length;
}
