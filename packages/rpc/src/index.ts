export { createClient, type ClientOptions, type ClientTls, type VolplaneClient } from './client/volplane-client.js';
export { RPC_LIMITS, type CallClass, type RpcLimits } from './limits.js';
export { checkListen, parseListenAddress, type ListenAddress } from './listen-address.js';
export { RpcServer, type RpcServerOptions, type ServerTls } from './server/rpc-server.js';
export {
  UnaryHost,
  type UnaryCall,
  type UnaryHandler,
  type UnaryHostOptions,
  type UnaryService,
  type UnaryStatusCode,
} from './unary-host.js';
export { requireKeyPair, tlsFrom, type DoorSettings } from './server/tls-settings.js';
