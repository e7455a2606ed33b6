import { rejection } from '@volplane/testkit';
import { expect } from 'chai';
import { EtcdKv, type EtcdKvOptions } from '../src/index.js';

describe('EtcdKv options', () => {
  const wrong: readonly { readonly fault: string; readonly options: EtcdKvOptions; readonly field: string }[] = [
    { fault: 'no endpoint', options: { endpoints: [] }, field: 'endpoints' },
    {
      fault: 'too many endpoints',
      options: { endpoints: Array.from({ length: 17 }, (_, index) => `http://e${String(index)}:2379`) },
      field: 'endpoints',
    },
    { fault: 'an endpoint without a scheme', options: { endpoints: ['127.0.0.1:2379'] }, field: 'endpoints' },
    { fault: 'an endpoint without a port', options: { endpoints: ['http://127.0.0.1'] }, field: 'endpoints' },
    { fault: 'endpoints of two schemes', options: { endpoints: ['http://a:1', 'https://b:1'] }, field: 'endpoints' },
    { fault: 'a user without a password', options: { endpoints: ['http://a:1'], username: 'u' }, field: 'username' },
    {
      fault: 'a certificate without its key',
      options: { endpoints: ['https://a:1'], ca: '-----BEGIN', cert: '-----BEGIN' },
      field: 'cert',
    },
    {
      fault: 'a certificate without an authority',
      options: { endpoints: ['https://a:1'], cert: '-----BEGIN', key: '-----BEGIN' },
      field: 'ca',
    },
    { fault: 'an authority for plain http', options: { endpoints: ['http://a:1'], ca: '-----BEGIN CERTIFICATE-----' }, field: 'endpoints' },
    { fault: 'a PEM file that is not there', options: { endpoints: ['https://a:1'], ca: '/nowhere/ca.pem' }, field: 'ca' },
  ];
  for (const { fault, options, field } of wrong) {
    it(`refuses ${fault}, naming the field`, async () => {
      const error = await rejection(EtcdKv.open(options));
      expect(error.reason).to.equal('INVALID_ARGUMENT');
      expect(error.failure.fields).to.deep.equal({ field });
    });
  }

  it('needs no etcd to open and close', async () => {
    const kv = await EtcdKv.open({ endpoints: ['http://127.0.0.1:1'] });
    await kv.close();
  });
});
