import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { systemClock } from '@volplane/base';
import {
  credentials,
  loadPackageDefinition,
  type Client,
  type ClientDuplexStream,
  type ServiceClientConstructor,
  type ServiceError,
} from '@grpc/grpc-js';
import { loadFileDescriptorSetFromBuffer, loadSync, type PackageDefinition } from '@grpc/proto-loader';
import { expect } from 'chai';
import { FakeApi } from './fake-api.js';
import { RpcWorld } from './world.js';

/**
 * A client that knows nothing of Volplane: no proto file, no generated type. It asks the server what it serves, and calls it.
 */
describe('server reflection', () => {
  const world = new RpcWorld();
  let address: string;

  before(async () => {
    const server = await world.server(new FakeApi());
    server.setServing(true);
    [address = ''] = server.addresses;
  });

  after(() => world.close());

  for (const version of ['v1', 'v1alpha']) {
    it(`lists the services over ${version}, and lets a generic client call them`, async () => {
      const asker = new Reflector(address, version);
      world.closes(() => {
        asker.close();
      });
      expect(await asker.services()).to.include.members([
        'volplane.v1.Volumes',
        'volplane.v1.Nodes',
        'volplane.v1.Drivers',
        'grpc.health.v1.Health',
      ]);

      const volumes = await asker.client('volplane.v1.Volumes');
      const created = await invoke(volumes, 'CreateVolume', {
        name: 'data',
        driver: 'shared',
        labels: [{ key: 'app', value: 'db' }],
        access_mode: 5,
      });
      expect(created).to.have.nested.property('volume.name', 'data');
      expect(created)
        .to.have.nested.property('volume.labels')
        .deep.equal([{ key: 'app', value: 'db' }]);
      expect(created).to.have.nested.property('volume.access_mode', 'ACCESS_MODE_MULTI_NODE_MULTI_WRITER');
      const page = await invoke(volumes, 'ListVolumes', { page_size: 10 });
      expect(page).to.have.nested.property('volumes.length', 1);
      const refused = await invoke(volumes, 'GetVolume', { name: 'none' }).catch((error: unknown) => error);
      expect(refused).to.include({ code: 5 });
      await invoke(volumes, 'RemoveVolume', { name: 'data' });

      const nodes = await asker.client('volplane.v1.Nodes');
      expect(await invoke(nodes, 'GetNode', { name: 'a' })).to.have.nested.property('node.drivers[0].name', 'shared');
      const health = await asker.client('grpc.health.v1.Health');
      expect(await invoke(health, 'Check', { service: 'volplane.v1.Nodes' })).to.deep.equal({ status: 'SERVING' });
    });
  }
});

/** What grpcurl and the like do. */
class Reflector {
  readonly #address: string;
  readonly #reflection: Client;
  readonly #open: Client[] = [];

  constructor(address: string, version: string) {
    this.#address = address;
    this.#reflection = this.#connect(REFLECTION[version] ?? {}, `grpc.reflection.${version}.ServerReflection`);
  }

  async services(): Promise<readonly string[]> {
    const { list_services_response: list } = await this.#ask({ list_services: '*' });
    return list?.service.map(({ name }) => name) ?? [];
  }

  async client(service: string): Promise<Client> {
    const { file_descriptor_response: files } = await this.#ask({ file_containing_symbol: service });
    return this.#connect(
      loadFileDescriptorSetFromBuffer(Buffer.concat((files?.file_descriptor_proto ?? []).map(asSetMember)), SHAPE),
      service,
    );
  }

  close(): void {
    for (const client of this.#open) client.close();
  }

  #connect(definition: PackageDefinition, service: string): Client {
    const constructor = service
      .split('.')
      .reduce<unknown>((object, name) => (object as Record<string, unknown>)[name], loadPackageDefinition(definition));
    const client = new (constructor as ServiceClientConstructor)(this.#address, credentials.createInsecure());
    this.#open.push(client);
    return client;
  }

  #ask(request: object): Promise<ReflectionAnswer> {
    return new Promise((resolve, reject) => {
      const call = (
        this.#reflection as unknown as { ServerReflectionInfo(): ClientDuplexStream<object, ReflectionAnswer> }
      ).ServerReflectionInfo();
      call.once('data', (answer: ReflectionAnswer) => {
        resolve(answer);
        call.end();
      });
      call.once('error', reject);
      call.write(request);
    });
  }
}

interface ReflectionAnswer {
  readonly list_services_response: { readonly service: readonly { readonly name: string }[] } | null;
  readonly file_descriptor_response: { readonly file_descriptor_proto: readonly Buffer[] } | null;
}

function invoke(client: Client, method: string, request: object): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const call = (
      client as unknown as Record<
        string,
        (request: object, options: object, done: (error: ServiceError | null, answer: unknown) => void) => void
      >
    )[method];
    call?.call(client, request, { deadline: systemClock.wallMs() + 30_000 }, (error, answer) => {
      if (error === null) resolve(answer);
      else reject(error);
    });
  });
}

const SHAPE = { keepCase: true, enums: String, longs: String, defaults: true } as const;

const resolve = createRequire(import.meta.url).resolve;
const REFLECTION_PROTOS = join(dirname(resolve('@grpc/reflection')), '../proto/grpc/reflection');
const REFLECTION: Readonly<Record<string, PackageDefinition>> = {
  v1: loadSync(join(REFLECTION_PROTOS, 'v1/reflection.proto'), SHAPE),
  v1alpha: loadSync(join(REFLECTION_PROTOS, 'v1alpha/reflection.proto'), SHAPE),
};

/** One file as the field `file` (1) of a FileDescriptorSet. */
function asSetMember(file: Buffer): Buffer {
  const length: number[] = [];
  for (let rest = file.byteLength; ; rest >>>= 7) {
    length.push(rest > 0x7f ? (rest & 0x7f) | 0x80 : rest);
    if (rest <= 0x7f) break;
  }
  return Buffer.concat([Buffer.from([0x0a, ...length]), file]);
}
