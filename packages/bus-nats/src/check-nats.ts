import { AppError } from '@volplane/base';
import { checkCredentials, type NatsCredentials } from './connection-options.js';
import { parseServerAddress, type ServerAddress } from './server-address.js';

/** @returns the servers. @throws AppError INVALID_ARGUMENT for a wrong address or a credentials file that cannot be read */
export async function checkNats(options: NatsCredentials & { readonly servers: readonly string[] }): Promise<readonly ServerAddress[]> {
  const servers = options.servers.map(parseServerAddress);
  if (servers.length === 0) throw new AppError('INVALID_ARGUMENT', 'at least one NATS server must be given');
  await checkCredentials(options);
  return servers;
}
