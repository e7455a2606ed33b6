import { PassThrough } from 'node:stream';
import { AppError } from '@volplane/base';
import { expect } from 'chai';
import winston from 'winston';
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

  it('has written a line when the call returns, however many in one turn of the event loop', () => {
    const { log, lines } = open();
    for (let line = 1; line <= 100; line += 1) {
      log.info('now', { line });
      expect(only(lines())).to.include({ line });
    }
  });

  it('writes the object that the formats of winston write', () => {
    const { log, lines } = open();
    const fields = {
      volume: 'v "1"\n\ud800',
      epoch: 3,
      share: 0.5,
      none: Number.NaN,
      final: true,
      holder: null,
      mounts: ['m1', { at: '/x' }],
    };
    const ours = only((log.info('said "so"', fields), lines()));
    const reference = winston.format.combine(winston.format.timestamp(), winston.format.json());
    const info = { level: 'info', message: 'said "so"', service: 'test', ...fields, timestamp: ours['timestamp'] };
    const theirs = reference.transform(info) as Readonly<Record<symbol, unknown>>; // what a format gives is an info with its text
    expect(ours).to.deep.equal(JSON.parse(String(theirs[Symbol.for('message')])));
    expect(ours['timestamp']).to.match(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
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

  it('never shows secrets, by key at any depth or by the form of the text', () => {
    const { log, lines } = open();
    const secret = 'hunter2hunter2';
    const seed = `SU${'A'.repeat(56)}`;
    const pem = (kind: string): string => `-----BEGIN ${kind}-----\n${secret}\n-----END ${kind}-----\n`;
    log.error('x', {
      settings: {
        natsPassword: secret,
        token: secret,
        deep: [{ clientSecret: secret, map: new Map([['apiKey', secret]]) }],
        passphrase: { of: secret },
      },
      texts: [
        `nats://me:${secret}@host:1`,
        `vers=3,password=${secret},ro`,
        `mount -o secret=${secret} failed`,
        `{"user":"me", "password" : "${secret}"}`,
        `authorization: Bearer ${secret}`,
        pem('RSA PRIVATE KEY'),
        pem('PRIVATE KEY').slice(0, -30),
        seed,
        `eyJ0eXAiOiJKV1QifQ.eyJ${secret}.${secret}`,
      ],
      error: new AppError('DRIVER_FAILED', `mount -o password=${secret} failed`, { password: secret }, new Error(`token=${secret}`)),
      long: [`${'x'.repeat(4_074)} nats://me:${secret}@host`, `${'x'.repeat(4_090)}password=${secret}`],
    });
    const line = lines().join('');
    expect(line).not.to.include('hunter2');
    expect(line).not.to.include(seed);
    expect(line).to.include('nats://me:***@host:1').and.to.include('vers=3,password=***,ro');
  });

  it('shows names and places that are no secrets', () => {
    const { log, lines } = open();
    const fields = { key: '/volplane/volumes/v1', passwordFile: '/etc/volplane/password', tokens: 3, url: 'http://host:80/path?a=b@c' };
    log.info('x', fields);
    expect(only(lines())).to.deep.include(fields);
  });

  it('bounds what it writes, each text, each list, each depth and all together', () => {
    const { log, lines } = open();
    const wide = (depth: number): unknown => (depth === 0 ? 'z'.repeat(1_000) : Array.from({ length: 50 }, () => wide(depth - 1)));
    log.info('x', { long: 'y'.repeat(100_000), many: Array.from({ length: 10_000 }, (_, index) => index) });
    expect(lines().join('').length).to.be.below(10_000);
    log.info('x', {
      wide: wide(2),
      ...Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`k${String(index)}`, 'v'.repeat(1_000)])),
    });
    expect(lines().join('').length).to.be.below(60_000);
  });

  it('survives cycles, of objects and of causes', () => {
    const { log, lines } = open();
    const cycle: Record<string, unknown> = {};
    Object.assign(cycle, { left: cycle, right: cycle, both: [cycle, cycle] });
    log.info('x', { cycle });
    expect(lines().join('').length).to.be.below(60_000);
    const only: Record<string, unknown> = {};
    only['only'] = only;
    const error = new Error('round and round');
    error.cause = error;
    log.info('x', { only, error });
    const line = lines().join('');
    expect(line.split('"only"').length).to.be.within(5, 10);
    expect(line.split('round and round').length).to.be.within(5, 10);
  });

  it('shows what JSON does not know', () => {
    const { log, lines } = open();
    log.info('x', {
      big: 2n ** 70n,
      call: () => 1,
      when: new Date(0),
      bytes: Buffer.from('secret'),
      map: new Map([['a', 1]]),
      set: new Set(['b']),
      url: new URL('http://host/'),
      nothing: null,
      absent: undefined,
    });
    expect(only(lines())).to.deep.include({
      big: '1180591620717411303424',
      call: '[function]',
      when: '1970-01-01T00:00:00.000Z',
      bytes: '[6 bytes]',
      map: { a: 1 },
      set: ['b'],
      url: 'http://host/',
      nothing: null,
    });
  });

  it('loses no line for a field that cannot be read', () => {
    const { log, lines } = open();
    log.info('mine', {
      get volume(): string {
        throw new Error('planted');
      },
    });
    expect(only(lines())).to.include({ message: 'mine', fieldsUnreadable: 'Error: planted' });
  });

  it('keeps a field named message or level apart from the line’s own', () => {
    const { log, lines } = open();
    log.info('mine', { message: 'theirs', level: 'theirs' });
    expect(only(lines())).to.include({ level: 'info', message: 'mine', fieldMessage: 'theirs', fieldLevel: 'theirs' });
  });

  it('loses no line for a field whose name means something to winston or to objects', () => {
    const { log, lines } = open();
    log.child(JSON.parse('{"__proto__":{"a":1}}') as Record<string, unknown>).info('mine', { exception: true, splat: ['x'] });
    expect(lines()[0]).to.match(/"message":"mine","service":"test","__proto__":\{"a":1\},"exception":true,"splat":\["x"\]\}$/);
  });

  it('writes a line for people in text format', () => {
    const { log, lines } = open('info', 'text');
    log.info('volume placed', { volume: 'v1', note: 'two words', trick: '\u001b[2J\n' });
    const written = lines();
    expect(written).to.have.length(1);
    expect(written[0]).to.match(/INFO {2}volume placed service=test volume=v1 note="two words" trick="\\u001b\[2J\\n"$/);
  });

  it('writes errors for people below the line, with causes, and frames for faults of ours only', () => {
    const { log, lines } = open('info', 'text');
    const cause = Object.assign(new Error('connection\u009b refused'), { code: 'ECONNREFUSED' });
    const error = new AppError('STORE_UNAVAILABLE', 'etcd does not answer', { volume: 'v1' }, cause);
    log.error('call failed', { node: 'n1', error });
    log.error('stop failed', { error: new AggregateError([error, 'a text'], 'some parts failed') });
    const [first, second, third, frame, ...rest] = lines();
    expect(first).to.match(/ERROR call failed service=test node=n1$/);
    expect(second).to.equal('  error: etcd does not answer (STORE_UNAVAILABLE volume=v1)');
    expect(third).to.equal('    caused by: connection\\u009b refused (Error ECONNREFUSED)');
    expect(frame).to.match(/^ {8}at /);
    expect(rest).to.include('    one of: etcd does not answer (STORE_UNAVAILABLE volume=v1)');
    expect(rest).to.include('    one of: "a text"');
  });
});
