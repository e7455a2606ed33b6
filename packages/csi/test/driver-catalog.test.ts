import { silentLogger, type Logger } from '@volplane/base';
import type { DriverView, NodeName } from '@volplane/domain';
import type { NodesApi } from '@volplane/engine';
import { ManualClock, refusal, rejection } from '@volplane/testkit';
import { expect } from 'chai';
import { DriverCatalog } from '../src/driver-catalog.js';
import { GLOBAL } from './support/csi-world.js';

const CONTEXT = { signal: new AbortController().signal, timeoutMs: 1_000 };

describe('csi catalog of drivers', () => {
  const offered: DriverView = { info: GLOBAL, nodes: ['n1' as NodeName] };
  let clock: ManualClock;
  let asked: number;
  let warnings: string[];
  /** What the API says. */
  let answer: () => Promise<readonly DriverView[]>;
  let catalog: DriverCatalog;

  beforeEach(() => {
    clock = new ManualClock();
    asked = 0;
    warnings = [];
    answer = () => Promise.resolve([offered]);
    const listDrivers: NodesApi['listDrivers'] = () => {
      asked += 1;
      return answer();
    };
    const log: Logger = { ...silentLogger, warn: (message) => warnings.push(message) };
    catalog = new DriverCatalog({ api: { listDrivers } as unknown as NodesApi, clock, log }); // as much of it as is asked for
  });

  it('is asked for once by a burst, and again after a while', async () => {
    await Promise.all([1, 2, 3].map(() => catalog.list(CONTEXT)));
    await clock.advance(4_999);
    await catalog.list(CONTEXT);
    expect(asked).to.equal(1);
    await clock.advance(1);
    await catalog.list(CONTEXT);
    expect(asked).to.equal(2);
  });

  it('goes by what was known when nobody answers, and says so', async () => {
    await catalog.list(CONTEXT);
    await clock.advance(5_000);
    answer = () => Promise.reject(refusal('NO_MANAGER'));
    expect(await catalog.list(CONTEXT)).to.deep.equal([offered]);
    expect(warnings).to.deep.equal(['drivers could not be read, using what was known']);
  });

  it('is not known before the first driver was heard of', async () => {
    answer = () => Promise.reject(refusal('NO_MANAGER'));
    expect((await rejection(catalog.list(CONTEXT))).reason).to.equal('NO_MANAGER');
    expect(catalog.isKnown).to.equal(false);
    answer = () => Promise.resolve([]);
    await catalog.list(CONTEXT);
    expect(catalog.isKnown).to.equal(false);
    await clock.advance(5_000);
    answer = () => Promise.resolve([offered]);
    await catalog.list(CONTEXT);
    expect(catalog.isKnown).to.equal(true);
  });
});
