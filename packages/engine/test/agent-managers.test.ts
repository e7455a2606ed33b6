import { noTelemetry, seededRandom, sleep } from '@volplane/base';
import type { MountId, VolumeName } from '@volplane/domain';
import { ManualClock, MemoryBusNetwork, rejection, type MemoryBus } from '@volplane/testkit';
import { acknowledged, answerOk, MANAGERS_GROUP, MANAGERS_SUBJECT, type ManagerMessage } from '@volplane/wire';
import { expect } from 'chai';
import { Managers } from '../src/agent/managers.js';
import { context } from './world.js';

describe('Managers, as an agent speaks to them', () => {
  let clock: ManualClock;
  let network: MemoryBusNetwork;
  let managers: Managers;
  /** What each manager was asked. */
  let asked: { readonly by: string; readonly type: string }[];

  beforeEach(() => {
    clock = new ManualClock();
    // The first one that serves gets what goes to a group.
    network = new MemoryBusNetwork({ clock, random: { ...seededRandom(3), float: () => 0 } });
    managers = new Managers({ bus: network.open('agent'), clock, telemetry: noTelemetry });
    asked = [];
  });

  const serve = (name: string, answer: () => Promise<unknown>): MemoryBus => {
    const bus = network.open(name);
    bus.serve(MANAGERS_SUBJECT, MANAGERS_GROUP, (payload) => {
      asked.push({ by: name, type: (payload as ManagerMessage).type });
      return answer();
    });
    return bus;
  };
  const never = (): Promise<unknown> => new Promise(() => undefined);
  const claim = {
    type: 'claim',
    node: 'n1',
    nodeUid: 'u1',
    session: '1',
    incarnation: 'i1',
    name: 'data' as VolumeName,
    seq: 1,
    mode: 'rw',
    mountId: 'c1' as MountId,
  } as ManagerMessage; // only its type matters here

  it('asks another manager when the one that has a claim in its hands is killed', async () => {
    serve('m1', never);
    serve('m2', () => Promise.resolve(answerOk({})));
    const asking = managers.ask(claim, acknowledged, { timeoutMs: 15_000 });
    await clock.advance(100);
    network.crash('m1');
    await clock.advance(600);
    await asking;
    expect(asked.map(({ by }) => by)).to.deep.equal(['m1', 'm2']);
  });

  it('asks again only when the answer is late, and a bounded number of times', async () => {
    serve('m1', () => Promise.resolve(answerOk({})));
    const quick = managers.ask(claim, acknowledged, { timeoutMs: 15_000 });
    await clock.advance(20_000);
    await quick;
    expect(asked).to.have.length(1);
    network.crash('m1');
    serve('m2', never);
    const late = rejection(managers.ask(claim, acknowledged, { timeoutMs: 15_000 }));
    await clock.advance(20_000);
    expect((await late).reason).to.equal('UNKNOWN_OUTCOME');
    expect(asked).to.have.length(4);
  });

  it('does not send everything again where every answer takes long', async () => {
    serve('m1', async () => {
      await sleep(clock, 900);
      return answerOk({});
    });
    for (let count = 0; count < 40; count += 1) {
      const asking = managers.ask(claim, acknowledged, { timeoutMs: 15_000 });
      await clock.advance(900);
      // One after the other, as a caller does.
      await asking;
    }
    asked = [];
    const asking = managers.ask(claim, acknowledged, { timeoutMs: 15_000 });
    await clock.advance(900);
    await asking;
    expect(asked).to.have.length(1);
  });

  it('asks a slow group again all the same when no answer comes at all', async () => {
    serve('m1', async () => {
      await sleep(clock, 9_000);
      return answerOk({});
    });
    for (let count = 0; count < 5; count += 1) {
      const asking = managers.ask(claim, acknowledged, { timeoutMs: 15_000 });
      await clock.advance(9_000);
      await asking;
    }
    network.crash('m1');
    serve('m2', never);
    asked = [];
    const late = rejection(managers.ask(claim, acknowledged, { timeoutMs: 15_000 }));
    await clock.advance(15_000);
    expect((await late).reason).to.equal('UNKNOWN_OUTCOME');
    expect(asked).to.have.length(2);
  });

  it('takes the outcome as unknown when the first one may have done it and nobody is there for the second', async () => {
    serve('m1', never);
    const asking = rejection(managers.ask(claim, acknowledged, { timeoutMs: 15_000 }));
    await clock.advance(100);
    network.crash('m1');
    await clock.advance(20_000);
    expect((await asking).reason).to.equal('UNKNOWN_OUTCOME');
  });

  it('says at once that no manager is there', async () => {
    expect((await rejection(managers.ask(claim, acknowledged, { timeoutMs: 15_000 }))).reason).to.equal('NO_MANAGER');
  });

  it('sends a create again, and a remove only once', async () => {
    serve('m1', never);
    for (const method of ['createVolume', 'removeVolume'] as const) {
      asked = [];
      const calling = rejection(managers.call(method, { name: 'data' }, context(10_000)));
      await clock.advance(11_000);
      expect((await calling).reason).to.equal('UNKNOWN_OUTCOME');
      expect(asked, method).to.have.length(method === 'createVolume' ? 3 : 1);
    }
  });
});
