import { PassThrough } from 'node:stream';
import { AppError } from '@volplane/base';
import { expect } from 'chai';
import { createLogger, type LogFormat, type LogLevel } from '@volplane/logging';

describe('createLogger', () => {
  function open(
    level: LogLevel = 'debug',
    format: LogFormat = 'json',
  ): { readonly log: ReturnType<typeof createLogger>; readonly lines: () => string[] } {
    const destination = new PassThrough();
    const log = createLogger({ level, format, destination, fields: { service: 'test' } });
    return {
      log,
      lines: () =>
        String(destination.read() ?? '')
          .split('\n')
          .filter((line) => line !== ''),
    };
  }

  function only(lines: readonly string[]): Record<string, unknown> {
    expect(lines).to.have.length(1);
    return JSON.parse(lines[0] ?? '') as Record<string, unknown>;
  }

  it('writes one JSON object a line, with its own fields and those of its children', () => {
    const { log, lines } = open();
    log.child({ node: 'n1' }).info('volume placed', { volume: 'v1' });
    expect(only(lines())).to.include({ level: 'info', message: 'volume placed', service: 'test', node: 'n1', volume: 'v1' });
  });

  it('drops lines below its level, without looking at their fields', () => {
    const { log, lines } = open('warn');
    log.info('quiet', {
      get volume(): string {
        throw new Error('was looked at');
      },
    });
    log.warn('loud');
    expect(only(lines())).to.include({ level: 'warn', message: 'loud' });
  });

  it('shows an error with its reason, fields and causes, which winston alone would show as {}', () => {
    const { log, lines } = open();
    const cause = Object.assign(new Error('connection refused'), { code: 'ECONNREFUSED' });
    log.error('call failed', { error: new AppError('STORE_UNAVAILABLE', 'etcd does not answer', { volume: 'v1' }, cause) });
    const error = only(lines())['error'] as Record<string, unknown>;
    expect(error).to.deep.include({ message: 'etcd does not answer', reason: 'STORE_UNAVAILABLE', fields: { volume: 'v1' } });
    expect(error['cause']).to.include({ message: 'connection refused', code: 'ECONNREFUSED' });
  });

  it('shows every error of an AggregateError', () => {
    const { log, lines } = open();
    log.error('stop failed', { error: new AggregateError([new Error('one'), new Error('two')], 'some parts failed') });
    const { errors } = only(lines())['error'] as { errors: readonly { message: string }[] };
    expect(errors.map((error) => error.message)).to.deep.equal(['one', 'two']);
  });

  it('never shows secrets: by key at any depth, in URLs, and in mount options', () => {
    const { log, lines } = open();
    log.info('x', {
      settings: { natsPassword: 'hunter2', token: 'hunter2', deep: [{ clientSecret: 'hunter2' }] },
      url: 'nats://me:hunter2@host:1',
      o: 'vers=3,password=hunter2,ro',
    });
    const line = lines().join('');
    expect(line).not.to.include('hunter2');
    expect(line).to.include('nats://me:***@host:1');
  });

  it('bounds what it writes and survives cycles, bigints and functions', () => {
    const { log, lines } = open();
    const cycle: Record<string, unknown> = { size: 2n ** 70n, call: () => 1 };
    cycle['self'] = cycle;
    log.info('x', { cycle, long: 'y'.repeat(100_000), many: Array.from({ length: 10_000 }, (_, index) => index) });
    const line = lines().join('');
    expect(line.length).to.be.below(20_000);
    expect(line).to.include('1180591620717411303424');
  });

  it('keeps a field named message or level apart from the line’s own', () => {
    const { log, lines } = open();
    log.info('mine', { message: 'theirs', level: 'theirs' });
    expect(only(lines())).to.include({ level: 'info', message: 'mine', fieldMessage: 'theirs', fieldLevel: 'theirs' });
  });

  it('writes a line for people in text format', () => {
    const { log, lines } = open('info', 'text');
    log.info('volume placed', { volume: 'v1', note: 'two words' });
    expect(lines()[0]).to.match(/INFO {2}volume placed service=test volume=v1 note="two words"$/);
  });
});
