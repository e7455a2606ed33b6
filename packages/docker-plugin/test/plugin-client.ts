import { request, type RequestOptions } from 'node:http';

export interface PluginReply {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

/** Calls a plugin as an engine does: POST, JSON, the versioned Accept header. A string body is sent as it is. */
export function callPlugin(to: string | RequestOptions, method: string, body: unknown = {}): Promise<PluginReply> {
  const { promise, send } = preparePluginCall(to, method);
  send(body);
  return promise;
}

/** The same in two steps, so that the caller can break the connection meanwhile. */
export function preparePluginCall(
  to: string | RequestOptions,
  method: string,
): { readonly promise: Promise<PluginReply>; readonly send: (body: unknown) => void; readonly destroy: () => void } {
  const target: RequestOptions = typeof to === 'string' ? { socketPath: to } : to;
  const headers = { Accept: 'application/vnd.docker.plugins.v1.2+json', Host: 'plugin.moby.localhost' };
  const outgoing = request({ method: 'POST', path: `/${method}`, headers, ...target });
  const promise = new Promise<PluginReply>((resolve, reject) => {
    outgoing.once('error', reject);
    outgoing.once('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.once('error', reject);
      response.once('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) as Record<string, unknown> });
      });
    });
  });
  return {
    promise,
    send: (body) => {
      outgoing.end(typeof body === 'string' ? body : JSON.stringify(body));
    },
    destroy: () => {
      outgoing.destroy();
    },
  };
}
