import { expect } from 'chai';
import { hasReason, systemClock } from '@volplane/base';
import { rejection } from '@volplane/testkit';
import { systemToolRunner, type RecordedProgram, type ToolCall } from '../src/tool-call.js';

const run = systemToolRunner(systemClock);

describe('tool call', () => {
  const call = (partial: Partial<ToolCall>): ToolCall => ({ file: 'sh', args: [], timeoutMs: 30_000, purpose: 'test', ...partial });

  it('gives the exit code and both outputs', async () => {
    const outcome = await run(call({ args: ['-c', 'echo out; echo one >&2; echo two >&2; exit 3'] }));
    expect(outcome).to.deep.equal({ code: 3, stdout: 'out\n', stderr: 'one; two' });
  });

  it('hands arguments over without a shell', async () => {
    const outcome = await run(call({ file: 'printf', args: ['%s|', '$HOME; rm', 'a b'] }));
    expect(outcome.stdout).to.equal('$HOME; rm|a b|');
  });

  it('masks secrets in the outputs', async () => {
    const outcome = await run(call({ args: ['-c', 'echo password=hunter2; echo hunter2 >&2'], secrets: ['hunter2', 'x'] }));
    expect(outcome.stdout).to.equal('password=***\n');
    expect(outcome.stderr).to.equal('***');
  });

  it('says which program is missing', async () => {
    const error = await rejection(run(call({ file: 'volplane-no-such-tool' })));
    expect(hasReason(error, 'DRIVER_UNAVAILABLE')).to.equal(true);
    expect(error.message).to.contain('volplane-no-such-tool is not installed');
  });

  it('tells as unavailable what the machine cannot start, and remembers nothing of it', async () => {
    const told: string[] = [];
    const record = async (): Promise<RecordedProgram> => ({
      variables: {},
      started: () => told.push('started'),
      ended: () => told.push('ended'),
      kill: () => Promise.resolve(true),
    });
    const recorded = systemToolRunner(systemClock, { programs: { record } });
    // E2BIG, as one argument alone may not be that long.
    const error = await rejection(recorded(call({ args: ['-c', ':', 'x'.repeat(4 * 1024 * 1024)] })));
    expect(error).to.include({ reason: 'DRIVER_UNAVAILABLE', message: 'test: sh cannot be started' });
    expect(told).to.deep.equal(['ended']);
  });

  it('kills what runs too long, with its children', async () => {
    const error = await rejection(run(call({ args: ['-c', 'sleep 600 & wait'], timeoutMs: 50 })));
    expect(error.reason).to.equal('DEADLINE_EXCEEDED');
    expect(error.failure.fields['ended']).to.equal('yes');
  });

  it('ends with the signal', async () => {
    const controller = new AbortController();
    const running = rejection(run(call({ args: ['-c', 'sleep 600'], signal: controller.signal })));
    controller.abort();
    expect((await running).reason).to.equal('CANCELLED');
  });

  it('does not start when the signal has fired already', async () => {
    const error = await rejection(run(call({ args: ['-c', 'exit 0'], signal: AbortSignal.abort() })));
    expect(error.reason).to.equal('CANCELLED');
  });

  it('does not wait for a daemon that keeps the pipes open', async () => {
    const outcome = await run(call({ args: ['-c', 'setsid sleep 3 & echo started'] }));
    expect(outcome).to.deep.include({ code: 0, stdout: 'started\n' });
  });

  it('keeps a bounded part of a long output', async () => {
    const outcome = await run(call({ args: ['-c', 'head -c 1000000 /dev/zero'] }));
    expect(outcome.stdout.length).to.equal(64 * 1024);
  });
});
