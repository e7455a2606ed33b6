import { expect } from 'chai';
import { freePortRow, freePorts, startEtcd, type EtcdServer } from '../src/index.js';
import { existsSync, readFileSync } from 'node:fs';

describe('startEtcd', () => {
  let etcd: EtcdServer;

  before(async () => {
    etcd = await startEtcd();
  });

  after(async () => {
    await etcd.stop();
  });

  it('answers at its endpoint', async () => {
    expect(await put('a', '1')).to.equal(200);
  });

  it('keeps its address and data across kill and restart', async () => {
    await put('kept', 'yes');
    await etcd.kill();
    expect(() => etcd.pid).to.throw('not running');
    await etcd.restart();
    expect(await get('kept')).to.equal('yes');
  });

  it('goes silent while it is paused', async () => {
    etcd.pause();
    let answered = false;
    const answer = put('paused', 'x').then(() => {
      answered = true;
    });
    expect(processState(etcd.pid)).to.equal('T');
    expect(answered).to.equal(false);
    etcd.resume();
    await answer;
  });

  it('removes its folder when stopped, and can be stopped twice', async () => {
    const other = await startEtcd();
    await other.stop();
    await other.stop();
    expect(existsSync(other.directory)).to.equal(false);
  });

  it('says which binary is missing', async () => {
    const before = process.env['VOLPLANE_BIN_ETCD'];
    process.env['VOLPLANE_BIN_ETCD'] = '/nowhere/etcd';
    try {
      await startEtcd();
      expect.fail('started without a binary');
    } catch (error) {
      expect(String(error)).to.contain('VOLPLANE_BIN_ETCD=/nowhere/etcd');
    } finally {
      if (before === undefined) delete process.env['VOLPLANE_BIN_ETCD'];
      else process.env['VOLPLANE_BIN_ETCD'] = before;
    }
  });

  it('shows the log of a server that ends while starting', async () => {
    try {
      await startEtcd({ args: ['--no-such-flag'] });
      expect.fail('started with a wrong flag');
    } catch (error) {
      expect(String(error)).to.contain('no-such-flag');
    }
  });

  async function put(key: string, value: string): Promise<number> {
    return (await call('put', { key: base64(key), value: base64(value) })).status;
  }

  async function get(key: string): Promise<string> {
    const body: unknown = await (await call('range', { key: base64(key) })).json();
    const found = /"value":"([^"]*)"/.exec(JSON.stringify(body))?.[1] ?? '';
    return Buffer.from(found, 'base64').toString('utf8');
  }

  function call(method: string, body: unknown): Promise<Response> {
    return fetch(`${etcd.endpoints[0] ?? ''}/v3/kv/${method}`, { method: 'POST', body: JSON.stringify(body) });
  }
});

describe('free ports', () => {
  const before = process.env['MOCHA_WORKER_ID'];

  afterEach(() => {
    if (before === undefined) delete process.env['MOCHA_WORKER_ID'];
    else process.env['MOCHA_WORKER_ID'] = before;
  });

  it('are others in each process that runs suites beside this one', async () => {
    const found = new Map<string, readonly number[]>();
    for (const worker of ['0', '1']) {
      process.env['MOCHA_WORKER_ID'] = worker;
      const first = await freePortRow(6);
      found.set(worker, [...(await freePorts(200)), first, first + 5]);
    }
    const [own = [], other = []] = found.values();
    expect(new Set(own).size).to.be.at.least(200);
    expect(Math.max(...own)).to.be.below(Math.min(...other));
  });
});

function base64(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64');
}

/** The state letter of /proc/PID/stat; T is stopped. */
function processState(pid: number): string | undefined {
  return readFileSync(`/proc/${String(pid)}/stat`, 'utf8').split(') ')[1]?.[0];
}
