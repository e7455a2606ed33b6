import { request } from 'node:http';

export interface EngineReply {
  readonly status: number;
  /** Parsed when it is JSON. */
  readonly body: unknown;
  readonly text: string;
}

/** One call of the Docker Engine API, as the docker command makes it. A Buffer is sent as it is. */
export function callEngine(socketPath: string, method: string, path: string, body?: unknown): Promise<EngineReply> {
  const payload = body === undefined || Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body));
  const type = Buffer.isBuffer(body) ? 'application/x-tar' : 'application/json';
  return new Promise((resolve, reject) => {
    const headers = payload === undefined ? {} : { 'Content-Type': type, 'Content-Length': payload.length };
    const outgoing = request({ socketPath, method, path: `/v1.41${path}`, headers: { ...headers, Host: 'docker' } }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.once('error', reject);
      response.once('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        resolve({ status: response.statusCode ?? 0, text, body: parsed(text) });
      });
    });
    outgoing.once('error', reject);
    outgoing.end(payload);
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // Logs and progress are no JSON; `text` has them.
    return undefined;
  }
}
