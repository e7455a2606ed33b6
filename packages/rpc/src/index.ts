export {
  UnaryHost,
  type UnaryCall,
  type UnaryHandler,
  type UnaryHostOptions,
  type UnaryService,
  type UnaryStatusCode,
} from './unary-host.js';
