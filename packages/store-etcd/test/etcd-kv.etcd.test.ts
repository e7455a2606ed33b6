import { kvStoreContract, startEtcd } from '@volplane/testkit';
import { Etcd3 } from 'etcd3';
import { EtcdKv } from '../src/index.js';

kvStoreContract(
  'etcd',
  async () => {
    const etcd = await startEtcd();
    const kv = await EtcdKv.open({ endpoints: etcd.endpoints });
    const admin = new Etcd3({ hosts: [...etcd.endpoints] });
    return {
      kv,
      compact: async (revision) => {
        await admin.kv.compact({ revision });
      },
      letTimePass: () => Promise.resolve(),
      end: async () => {
        admin.close();
        await kv.close();
        await etcd.stop();
      },
    };
  },
  { modelRuns: 40 },
);
