export type { NatsAuth, NatsTls } from './connection-options.js';
export { checkNats } from './check-nats.js';
export { NatsBus, type NatsBusOptions } from './nats-bus.js';
export { credentialsFrom, type NatsSettings } from './credential-settings.js';
