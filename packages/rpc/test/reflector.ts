import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { systemClock } from '@volplane/base';
import {
  credentials,
  loadPackageDefinition,
  type CallOptions,
  type Client,
  type ClientDuplexStream,
  type ServiceClientConstructor,
  type ServiceError,
} from '@grpc/grpc-js';
import { loadFileDescriptorSetFromBuffer, loadSync, type PackageDefinition } from '@grpc/proto-loader';

/** What grpcurl and the like do: knows no proto file, asks the server what it serves, and calls it. Maps are lists of key and value. */
export class Reflector {
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

/** @throws the ServiceError as grpc-js gives it */
export function invoke(
  client: Client,
  method: string,
  request: object,
  options: CallOptions = { deadline: systemClock.wallMs() + 30_000 },
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const call = (
      client as unknown as Record<
        string,
        (request: object, options: object, done: (error: ServiceError | null, answer: unknown) => void) => void
      >
    )[method];
    call?.call(client, request, options, (error, answer) => {
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
