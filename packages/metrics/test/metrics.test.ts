import { silentLogger } from '@volplane/base';
import { rejection } from '@volplane/testkit';
import { expect } from 'chai';
import { openMetrics, type MetricsDoor } from '../src/index.js';

describe('metrics', () => {
  let door: MetricsDoor | undefined;

  afterEach(() => door?.close());

  const page = async (path = '/metrics'): Promise<Response> => await fetch(`http://${door?.address ?? ''}${path}`);

  it('shows phases, batch sizes, calls, what was shed, and the lag of the event loop', async () => {
    door = await openMetrics('127.0.0.1:0', silentLogger);
    const { telemetry } = door;
    telemetry.phase('commit', 3);
    telemetry.phase('commit', 700);
    telemetry.batch(32);
    telemetry.call('write', 'ok', 4);
    telemetry.call('write', 'OVERLOADED', 0.1);
    telemetry.shed('write');
    const answer = await page();
    expect(answer.headers.get('content-type')).to.contain('text/plain');
    const text = await answer.text();
    expect(text).to.contain('volplane_phase_seconds_bucket{le="0.005",phase="commit"} 1');
    expect(text).to.contain('volplane_phase_seconds_count{phase="commit"} 2');
    expect(text).to.contain('volplane_commit_batch_transactions_sum 32');
    expect(text).to.contain('volplane_call_seconds_count{class="write",result="ok"} 1');
    expect(text).to.contain('volplane_call_seconds_count{class="write",result="OVERLOADED"} 1');
    expect(text).to.contain('volplane_shed_total{where="write"} 1');
    expect(text).to.contain('nodejs_eventloop_lag_p99_seconds');
  });

  it('answers nothing else', async () => {
    door = await openMetrics('127.0.0.1:0', silentLogger);
    expect((await page('/')).status).to.equal(404);
  });

  it('counts nothing and listens nowhere without an address', async () => {
    door = await openMetrics('', silentLogger);
    door.telemetry.phase('queue', 1);
    expect(door.address).to.equal(undefined);
  });

  it('refuses an address that it cannot listen on', async () => {
    door = await openMetrics('127.0.0.1:0', silentLogger);
    expect((await rejection(openMetrics(door.address ?? '', silentLogger))).reason).to.equal('INVALID_ARGUMENT');
    expect((await rejection(openMetrics('here', silentLogger))).reason).to.equal('INVALID_ARGUMENT');
  });
});
