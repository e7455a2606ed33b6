export { rejection } from './rejection.js';
export { hasTool, isRoot, loopsBelow, makeTestFolder, mountsBelow, type TestFolder } from './root-test.js';
export { faultlessBus, randomBusFate, type BusFate, type BusMessage } from './bus-faults.js';
export { busContract, type BusWorld } from './contracts/bus-contract.js';
export { kvStoreContract } from './contracts/kv-store-contract.js';
export type { KvStoreWorld } from './contracts/kv-trial.js';
export { recordWatch, type WatchRecord } from './contracts/watch-recorder.js';
export { driverContract } from './contracts/driver-contract.js';
export { contractUid, contractVolume, type DriverWorld, type DriverWorldFiles } from './contracts/driver-world.js';
export {
  FAKE_CAPABILITIES,
  FakeDriver,
  type FakeCall,
  type FakeDriverOptions,
  type FakeFault,
  type FakeMethod,
} from './fakes/fake-driver.js';
export { FakeKernel, type FakeMount, type FakeWriter } from './fakes/fake-kernel.js';
export { FakeStorage, type FakeVolume, type FakeWrite } from './fakes/fake-storage.js';
export { journalContract, type JournalWorld } from './contracts/journal-contract.js';
export { gate, type Gate } from './gate.js';
export { ManualClock } from './manual-clock.js';
export { MemoryBus } from './memory-bus.js';
export { MemoryBusNetwork, type MemoryBusNetworkOptions } from './memory-bus-network.js';
export { MemoryKv, type MemoryKvCall, type MemoryKvHooks, type MemoryKvOptions } from './memory-kv.js';
export { freePortRow, freePorts, type TestServer } from './server-process.js';
export {
  startEtcd,
  startEtcdCluster,
  startNatsServer,
  type EtcdOptions,
  type EtcdServer,
  type NatsOptions,
  type NatsServer,
} from './servers.js';
export { startTcpProxy, type TcpProxy } from './tcp-proxy.js';
export { WAIT_TIMEOUT_MS, waitFor, type WaitForOptions } from './wait-for.js';
export { fakeApi } from './fake-api.js';
export { FakeCluster, fakeDriver, refusal, type FakeNode, type NodeRecord, type VolumeRecord } from './fake-cluster.js';
export { MemoryDisk, MemoryJournal, type MemoryJournalHooks } from './memory-journal.js';
export { watch, type Watched } from './watched.js';
export { openPaths, watchHandles } from './watched-handles.js';
