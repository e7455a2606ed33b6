import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { systemRandom } from '@volplane/base';
import { EtcdKv } from '@volplane/store-etcd';
import { rejection, waitFor } from '@volplane/testkit';
import { expect } from 'chai';
import { RawClient, refusal, type SeenRefusal } from '../../packages/rpc/test/raw-client.js';
import { invoke, Reflector } from '../../packages/rpc/test/reflector.js';
import { context, persist, TestCluster, type ServiceProcess } from './test-cluster.js';

type GenericClient = Awaited<ReturnType<Reflector['client']>>;

/** A wrong request and what a caller must be able to read from its refusal. */
interface BadCall {
  readonly what: string;
  readonly method: string;
  readonly request: object;
  readonly code: number;
  readonly reason: string;
  /** What the refusal must name in its fields. */
  readonly field?: string;
}

const INVALID = 3;
const NOT_FOUND = 5;
const UNIMPLEMENTED = 12;

const BAD_NAMES = {
  'an empty name': '',
  'a name of one character': 'a',
  'a name that is too long': 'a'.repeat(129),
  'a name with a slash': 'data/base',
  'a name that climbs': '..',
  'a path as a name': '../../etc/passwd',
  'a name with a control character': 'da\u0007ta',
  'a name with a line feed at its end': 'data\n',
  'a name with a zero byte': 'data\0',
  'a name with a Cyrillic letter that looks Latin': 'd\u0430ta',
  'a name with a full-width letter': 'dat\uff41',
  'a name with an invisible space': 'da\u200bta',
};

const nameCalls = Object.entries(BAD_NAMES).flatMap(([what, name]): readonly BadCall[] =>
  [
    { method: 'CreateVolume', request: { name, driver: 'shared' } },
    { method: 'GetVolume', request: { name } },
    { method: 'RemoveVolume', request: { name } },
    { method: 'MountVolume', request: { name, node: 'node-1', mount_id: 'c1' } },
    { method: 'UnmountVolume', request: { name, node: 'node-1', mount_id: 'c1' } },
  ].map((call) => ({ what: `${what} in ${call.method}`, ...call, code: INVALID, reason: 'INVALID_NAME', field: 'name' })),
);

const entries = (count: number, value = 'v'): readonly object[] =>
  Array.from({ length: count }, (_, index) => ({ key: `key${String(index)}`, value }));

/** Each with a name of its own: what a refused create had begun may still be on its way out. */
const create = (what: string, request: object, expected: Pick<BadCall, 'code' | 'reason' | 'field'>): BadCall => ({
  what,
  method: 'CreateVolume',
  request: { name: what.replaceAll(/[^a-z]+/gi, '-').toLowerCase(), driver: 'shared', ...request },
  ...expected,
});

const CALLS: readonly BadCall[] = [
  ...nameCalls,
  create('an unknown driver', { driver: 'nope' }, { code: NOT_FOUND, reason: 'DRIVER_NOT_FOUND' }),
  create('a driver name that is none', { driver: '../shared' }, { code: INVALID, reason: 'INVALID_NAME', field: 'driver' }),
  create('an unknown option', { options: [{ key: 'colour', value: 'red' }] }, { code: INVALID, reason: 'INVALID_OPTION' }),
  create('an unknown access mode', { access_mode: 77 }, { code: INVALID, reason: 'INVALID_ARGUMENT', field: 'access_mode' }),
  create('an unknown takeover policy', { takeover: 77 }, { code: INVALID, reason: 'INVALID_ARGUMENT', field: 'takeover' }),
  create(
    'the takeover policy lease for a block device, which nobody can cut off',
    { driver: 'image', takeover: 'TAKEOVER_POLICY_LEASE', options: [{ key: 'access', value: 'block' }] },
    { code: UNIMPLEMENTED, reason: 'CAPABILITY_MISSING' },
  ),
  create('too many labels', { labels: entries(2_000) }, { code: INVALID, reason: 'TOO_LARGE', field: 'labels' }),
  create('a label that is too long', { labels: entries(1, 'v'.repeat(100_000)) }, { code: INVALID, reason: 'TOO_LARGE', field: 'labels' }),
  create('too many options', { options: entries(2_000) }, { code: INVALID, reason: 'TOO_LARGE', field: 'options' }),
  {
    ...create('a local path that climbs', {}, { code: INVALID, reason: 'INVALID_OPTION' }),
    request: { name: 'bad-input', driver: 'local', node: 'node-1', options: [{ key: 'device', value: '../../etc' }] },
  },
  {
    what: 'an unknown scope in a filter',
    method: 'ListVolumes',
    request: { filter: { scope: 77 } },
    code: INVALID,
    reason: 'INVALID_ARGUMENT',
    field: 'filter.scope',
  },
  {
    what: 'a page token that nobody made',
    method: 'ListVolumes',
    request: { page_token: 'page 2' },
    code: INVALID,
    reason: 'PAGE_TOKEN_INVALID',
  },
  {
    what: 'an empty mount id',
    method: 'MountVolume',
    request: { name: 'keeper', node: 'node-1', mount_id: '' },
    code: INVALID,
    reason: 'INVALID_ARGUMENT',
    field: 'mount_id',
  },
  {
    what: 'a mount id with spaces',
    method: 'MountVolume',
    request: { name: 'keeper', node: 'node-1', mount_id: 'a b' },
    code: INVALID,
    reason: 'INVALID_ARGUMENT',
    field: 'mount_id',
  },
  {
    what: 'a volume that does not exist',
    method: 'GetVolume',
    request: { name: 'nowhere' },
    code: NOT_FOUND,
    reason: 'VOLUME_NOT_FOUND',
  },
];

/**
 * The refusal that stays. An agent whose manager is slow to answer sends a create again, and that one may meet the first one's roll-back:
 * a caller is told to repeat such a call.
 */
async function settledRefusal(call: () => Promise<unknown>): Promise<SeenRefusal> {
  return await waitFor(
    async () => {
      const seen = await refusal(call());
      return seen.reason === 'VOLUME_REMOVING' ? undefined : seen;
    },
    { what: 'the roll-back to be over' },
  );
}

/** What strangers send to a manager and to an agent: each is answered with a reason, loses nothing and ends nobody. */
describe('bad input', function () {
  this.timeout(180_000);
  const SECRET = `hunter2-${systemRandom.hex(8)}`;
  let cluster: TestCluster;
  let kv: EtcdKv;
  const reflectors: Reflector[] = [];
  const processes = (): readonly ServiceProcess[] => [...cluster.managers, ...cluster.agents];
  const door = (kind: 'manager' | 'agent'): ServiceProcess => {
    const [service] = kind === 'manager' ? cluster.managers : cluster.agents;
    if (service === undefined) throw new Error(`a ${kind} was asked for`);
    return service;
  };

  before(async () => {
    const drivers = async (folder: string): Promise<readonly object[]> => {
      const root = join(folder, 'images');
      await mkdir(root);
      return [{ kind: 'image', name: 'image', root, scope: 'global', unguarded: true }];
    };
    cluster = await TestCluster.start({ managers: 1, agents: 1, drivers });
    kv = await EtcdKv.open({ endpoints: cluster.etcd.endpoints });
    const client = cluster.client(door('manager'));
    await persist(() => client.createVolume({ name: 'keeper', driver: 'shared', labels: { keep: 'this' } }, context()));
  });

  after(async () => {
    for (const reflector of reflectors) reflector.close();
    await kv.close();
    await cluster.stop();
  });

  afterEach('nobody ended, nothing was lost', async () => {
    for (const service of processes()) expect(service.alive, service.name).to.equal(true);
    const client = cluster.client(door('manager'));
    // What a refused create had begun may still be on its way out.
    const volumes = await waitFor(
      async () => {
        const page = await client.listVolumes({}, context());
        return page.volumes.length <= 1 && page.volumes;
      },
      { what: 'no other volume is left' },
    );
    expect(volumes.map(({ name, labels }) => ({ name, labels }))).to.deep.equal([{ name: 'keeper', labels: { keep: 'this' } }]);
  });

  async function genericClient(kind: 'manager' | 'agent'): Promise<GenericClient> {
    const reflector = new Reflector(door(kind).address, 'v1');
    reflectors.push(reflector);
    expect(await reflector.services()).to.include.members(['volplane.v1.Volumes', 'grpc.health.v1.Health']);
    return await reflector.client('volplane.v1.Volumes');
  }

  for (const kind of ['manager', 'agent'] as const) {
    describe(`at ${kind === 'agent' ? 'an' : 'a'} ${kind}, sent by a client that knows its reflection only`, () => {
      let volumes: GenericClient;

      before(async () => {
        volumes = await genericClient(kind);
      });

      it('is what that client is not bound to: it creates, lists and removes as well', async () => {
        const created = await invoke(volumes, 'CreateVolume', { name: 'generic', driver: 'shared' });
        expect(created).to.have.nested.property('volume.scope', 'SCOPE_GLOBAL');
        await invoke(volumes, 'RemoveVolume', { name: 'generic' });
      });

      for (const call of CALLS) {
        it(`refuses ${call.what}`, async () => {
          const seen = await settledRefusal(() => invoke(volumes, call.method, call.request));
          expect(seen).to.deep.include({ code: call.code, reason: call.reason });
          expect(seen.message).to.have.length.within(10, 1_000);
          if (call.field !== undefined) expect(seen.fields).to.have.property('field', call.field);
        });
      }

      it('refuses a call without a deadline', async () => {
        const seen = await refusal(invoke(volumes, 'CreateVolume', { name: 'bad-input', driver: 'shared' }, {}));
        expect(seen).to.deep.include({ code: INVALID, reason: 'DEADLINE_MISSING' });
      });

      it('refuses a message that is too large', async () => {
        const request = { name: 'bad-input', driver: 'shared', labels: entries(64, 'v'.repeat(200_000)) };
        expect((await refusal(invoke(volumes, 'CreateVolume', request))).code).to.be.oneOf([INVALID, 8]);
      });

      it('refuses bytes that are no message, and calls that do not exist', async () => {
        const raw = new RawClient(door(kind).address);
        try {
          const garbage = await refusal(raw.unary('/volplane.v1.Volumes/CreateVolume', Buffer.from([0x0f, 0xff])));
          expect(garbage).to.deep.include({ code: INVALID, reason: 'INVALID_ARGUMENT' });
          expect((await refusal(raw.unary('/volplane.v1.Volumes/Format', Buffer.alloc(0)))).code).to.equal(12);
        } finally {
          raw.close();
        }
      });
    });
  }

  describe('as a document in etcd', () => {
    const KEY = '/volplane/volumes/broken';
    const broken: Readonly<Record<string, string>> = {
      'is no JSON': '{"schema":1,',
      'has another schema': '{"schema":99}',
      'has fields of the wrong kind': '{"schema":1,"name":"broken","uid":7}',
      'has the name of another volume': '{"schema":1,"name":"keeper"}',
    };

    for (const [what, value] of Object.entries(broken)) {
      it(`that ${what} is refused by its name, left alone, and nobody's else problem`, async () => {
        const client = cluster.client(door('manager'));
        await kv.transact([{ compares: [], writes: [{ type: 'put', key: KEY, value }] }]);
        try {
          for (const call of [
            () => client.getVolume({ name: 'broken' }, context()),
            () => client.createVolume({ name: 'broken', driver: 'shared' }, context()),
            () => client.mountVolume({ name: 'broken', node: 'node-1', mountId: 'c1' }, context()),
            () => client.removeVolume({ name: 'broken' }, context()),
          ]) {
            const error = await rejection(call());
            expect(error.reason).to.equal('DOCUMENT_INVALID');
            expect(error.message).to.include('broken');
          }
          const page = await client.listVolumes({}, context());
          expect(page.volumes.map(({ name }) => name)).to.deep.equal(['keeper']);
          expect(page.warnings.join()).to.include('broken');
          expect(await kv.get(KEY)).to.have.nested.property('entry.value', value);
        } finally {
          await kv.transact([{ compares: [], writes: [{ type: 'delete', key: KEY }] }]);
        }
      });
    }
  });

  it('that holds a secret shows it to nobody, in no answer and in no log', async () => {
    const client = cluster.client(door('manager'));
    const asked = { type: 'nfs', device: ':/export', o: `addr=127.0.0.1,password=${SECRET}` };
    const seen: unknown[] = [];
    for (const options of [asked, { ...asked, password: SECRET }]) {
      const request = { name: 'with-secret', driver: 'local', node: 'node-1', options };
      seen.push(await client.createVolume(request, context()).catch((error: unknown) => String(error)));
      seen.push(
        await client.createVolume({ ...request, options: { ...options, o: 'ro' } }, context()).catch((error: unknown) => String(error)),
      );
      const place = { name: 'with-secret', node: 'node-1' };
      seen.push(await client.getVolume(place, context()).catch((error: unknown) => String(error)));
      seen.push(
        await client.mountVolume({ ...place, mountId: 'c1' }, { ...context(), timeoutMs: 2_000 }).catch((error: unknown) => String(error)),
      );
      seen.push(await persist(() => client.removeVolume(place, context())).catch((error: unknown) => String(error)));
    }
    expect(JSON.stringify(seen)).to.include('with-secret').and.not.include(SECRET);
    for (const service of processes()) expect(service.lines.join('\n'), service.name).not.to.include(SECRET);
  });
});
