/**
 * How proto-loader reads messages at run time. {@link GENERATOR_FLAGS} say the same to the generator of the types; a test
 * compares the two, because types that do not fit the run-time shape would be believed.
 */
export const LOADER_OPTIONS = {
  longs: String,
  enums: String,
  defaults: true,
  oneofs: true,
  arrays: true,
  objects: true,
} as const;

/** What `proto-loader-gen-types` is called with; no `--grpcLib`, because services are bound by path and bytes (protocol.ts). */
export const GENERATOR_FLAGS = [
  '--longs=String',
  '--enums=String',
  '--defaults',
  '--oneofs',
  '--arrays',
  '--objects',
  '--importFileExtension=.js',
  '--inputTemplate=%sInput',
  '--outputTemplate=%s',
] as const;

/** Every file that is loaded, relative to {@link protoFolder}; what they import comes along. */
export const PROTO_FILES = [
  'volplane/v1/volumes.proto',
  'volplane/v1/nodes.proto',
  'volplane/v1/drivers.proto',
  'google/rpc/status.proto',
  'google/rpc/error_details.proto',
] as const;
