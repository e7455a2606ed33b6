import { AppError } from '@volplane/base';
import type { CreateVolumeRequest } from '@volplane/domain';
import { expect } from 'chai';
import { createMany } from '../src/commands/create-many.js';
import { Session, type Io } from '../src/session.js';

/** What the time of a call is spent on. With real servers: program.test.ts. */
describe('create-many', () => {
  it('begins a stream when the input has brought all of its requests, so that a slow input costs no time of the call', async () => {
    const given: unknown[] = [];
    const client = {
      checkHealth: () => Promise.resolve({ address: 'a', serving: true }),
      createVolumes: (requests: readonly CreateVolumeRequest[]) => {
        given.push([...requests]);
        return none();
      },
    };
    await createMany(sessionOf(client, ['{"name":"one"}', '{"name":"two"}']), '-');
    expect(given).to.deep.equal([[{ name: 'one' }, { name: 'two' }]]);
  });

  it('asks whether anybody answers before it reads', async () => {
    const client = { checkHealth: () => Promise.reject(new AppError('UNREACHABLE', 'no server answers')) };
    const session = sessionOf(client, [], () => {
      throw new Error('it was read');
    });
    const error = await createMany(session, '-').catch((reason: unknown) => reason);
    expect(error).to.have.property('reason', 'UNREACHABLE');
  });
});

function sessionOf(client: object, lines: readonly string[], onRead = (): void => undefined): Session {
  const io: Io = {
    out: () => undefined,
    err: () => undefined,
    signal: new AbortController().signal,
    lines: async function* () {
      onRead();
      yield* await Promise.resolve(lines);
    },
  };
  const settings = {
    address: ['127.0.0.1:1'],
    timeoutMs: 1_000,
    output: 'table',
    tlsCa: '',
    tlsCert: '',
    tlsKey: '',
    tlsServerName: '',
  } as const;
  return Object.defineProperty(new Session(settings, io), 'client', { value: client });
}

async function* none(): AsyncGenerator<never> {
  yield* await Promise.resolve([]);
}
