import { AppError } from '@volplane/base';

/** Where to listen or whom to call: `host:port`, `[v6]:port`, or `unix:` with a path. */
export type ListenAddress =
  { readonly kind: 'tcp'; readonly host: string; readonly port: number } | { readonly kind: 'unix'; readonly path: string };

/** @throws AppError INVALID_ARGUMENT */
export function parseListenAddress(text: string): ListenAddress {
  if (text.startsWith('unix:')) return { kind: 'unix', path: parseSocketPath(text) };
  const match = HOST_AND_PORT.exec(text);
  const port = Number(match?.[2]);
  if (match?.[1] === undefined || port > PORT_MAX) throw invalidAddress(text);
  return { kind: 'tcp', host: match[1], port };
}

/** @throws AppError INVALID_ARGUMENT for a list of addresses that a door cannot listen on */
export function checkListen(addresses: readonly string[]): void {
  if (addresses.length === 0) throw new AppError('INVALID_ARGUMENT', '--listen names no address', { field: 'listen' });
  for (const address of addresses) parseListenAddress(address);
}

/** The form that grpc-js takes. */
export function formatListenAddress(address: ListenAddress): string {
  return address.kind === 'unix' ? `unix:${address.path}` : `${address.host}:${String(address.port)}`;
}

/** Both `unix:/run/x.sock` and `unix:///run/x.sock` are in use. */
function parseSocketPath(text: string): string {
  const path = text.slice('unix:'.length).replace(/^\/\/\//, '/');
  if (path === '' || path.startsWith('//')) throw invalidAddress(text);
  return path;
}

function invalidAddress(text: string): AppError {
  return new AppError('INVALID_ARGUMENT', `address ${JSON.stringify(text)} is not allowed; use host:port, [ipv6]:port or unix:/path`, {
    field: 'address',
    address: text,
  });
}

const HOST_AND_PORT = /^([^\s:/[\]]+|\[[0-9a-fA-F:.]+\]):([0-9]{1,5})$/;
const PORT_MAX = 65_535;
