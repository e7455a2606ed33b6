import { loadSync, type ServiceDefinition } from '@grpc/proto-loader';
import { assert } from '@volplane/base';
import { protoFolder } from '@volplane/wire';

export type CsiServiceName = 'Identity' | 'Controller' | 'GroupController' | 'Node';

/** A service of proto/csi/v1/csi.proto as gRPC wants it; the messages have the shapes of messages.ts. */
export function csiService(name: CsiServiceName): ServiceDefinition {
  loaded ??= loadSync('csi/v1/csi.proto', { ...LOADER_OPTIONS, includeDirs: [protoFolder()] });
  const definition = loaded[`csi.v1.${name}`];
  assert(definition !== undefined && !('format' in definition), `the proto file defines csi.v1.${name}`);
  return definition;
}

/** Unchangeable once read. */
let loaded: ReturnType<typeof loadSync> | undefined;

const LOADER_OPTIONS = { keepCase: true, longs: String, enums: Number, defaults: true, oneofs: true, arrays: true, objects: true } as const;
