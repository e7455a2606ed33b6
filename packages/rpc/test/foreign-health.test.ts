import { Server, ServerCredentials } from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import { rejection } from '@volplane/testkit';
import { expect } from 'chai';
import { createClient } from '../src/index.js';

/** A server of others that answers health checks, as etcd does: that it serves says nothing about a manager. */
describe('the health of a server that is none of Volplane', () => {
  it('is no health', async () => {
    const server = new Server();
    new HealthImplementation({ '': 'SERVING' }).addToServer(server);
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => {
        if (error === null) resolve(bound);
        else reject(error);
      });
    });
    const client = createClient({ addresses: [`127.0.0.1:${String(port)}`] });
    try {
      const context = { signal: new AbortController().signal, timeoutMs: 10_000 };
      expect((await rejection(client.checkHealth(context))).reason).to.equal('NOT_IMPLEMENTED');
    } finally {
      await client.close();
      server.forceShutdown();
    }
  });
});
