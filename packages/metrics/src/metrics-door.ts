import { createServer, type Server } from 'node:http';
import { AppError, noTelemetry, type Logger, type Resource, type Telemetry } from '@volplane/base';
import { PromTelemetry } from './prom-telemetry.js';

/** What a process counts with, and the page where it shows it. */
export interface MetricsDoor extends Resource {
  readonly telemetry: Telemetry;
  /** `host:port` with the real port; undefined when nothing is shown. */
  readonly address: string | undefined;
}

/**
 * Counts nothing and shows nothing for an empty address.
 *
 * @param address - HOST:PORT, `[ipv6]:PORT`
 * @throws AppError INVALID_ARGUMENT when it cannot be listened on
 */
export async function openMetrics(address: string, log: Logger): Promise<MetricsDoor> {
  if (address === '') return { name: 'metrics', telemetry: noTelemetry, address: undefined, close: () => Promise.resolve() };
  const telemetry = new PromTelemetry();
  const server = serve(telemetry, log);
  const shown = await listen(server, address);
  log.info('metrics are shown', { address: shown });
  return {
    name: 'metrics',
    telemetry,
    address: shown,
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}

function serve(telemetry: PromTelemetry, log: Logger): Server {
  const server = createServer({ requestTimeout: REQUEST_TIMEOUT_MS }, (request, response) => {
    if (request.url !== '/metrics' || request.method !== 'GET') {
      response.writeHead(404).end('GET /metrics\n');
      return;
    }
    telemetry.text().then(
      (text) => response.writeHead(200, { 'content-type': telemetry.contentType }).end(text),
      (error: unknown) => {
        log.error('metrics could not be written', { error });
        response.writeHead(500).end();
      },
    );
  });
  server.maxConnections = CONNECTIONS_MAX;
  return server;
}

/** @returns undefined for the empty one: nothing is shown. @throws AppError INVALID_ARGUMENT */
export function parseMetricsAddress(address: string): { readonly host: string; readonly port: number } | undefined {
  if (address === '') return undefined;
  const match = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(address);
  const port = Number(match?.[3]);
  if (match === null || port > PORT_MAX) {
    throw new AppError('INVALID_ARGUMENT', `metrics cannot be shown at ${address}: it is not HOST:PORT`, { field: 'metrics', address });
  }
  return { host: match[1] ?? match[2] ?? '', port };
}

const PORT_MAX = 65_535;

async function listen(server: Server, address: string): Promise<string> {
  const { host = '', port } = parseMetricsAddress(address) ?? {};
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ port, ...(host === '' ? {} : { host }) }, resolve);
    });
  } catch (error) {
    throw new AppError(
      'INVALID_ARGUMENT',
      `cannot show metrics at ${address}; is it an address of this machine, and free?`,
      { field: 'metrics', address },
      error,
    );
  }
  const bound = server.address();
  if (bound === null || typeof bound === 'string') return address;
  return `${address.slice(0, address.lastIndexOf(':'))}:${String(bound.port)}`;
}

/** A few scrapers; nobody else has a reason to connect. */
const CONNECTIONS_MAX = 16;
const REQUEST_TIMEOUT_MS = 10_000;
