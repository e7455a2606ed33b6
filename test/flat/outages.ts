import type { ServiceProcess, TestCluster } from '../cluster/test-cluster.js';
import { NODE } from './calls.js';
import type { Outage } from './table.js';

/** The agent of {@link NODE}. */
export function agentOf(cluster: TestCluster): ServiceProcess {
  const agent = cluster.agents.find((each) => each.name === NODE);
  if (agent === undefined) throw new Error('the cluster has the node');
  return agent;
}

export async function takeDown(cluster: TestCluster, outage: Outage): Promise<void> {
  await Promise.all(hit(cluster, outage).map((server) => server.kill()));
}

export async function bringBack(cluster: TestCluster, outage: Outage): Promise<void> {
  await Promise.all(hit(cluster, outage).map((server) => server.restart()));
}

function hit(cluster: TestCluster, outage: Outage): readonly { kill(): Promise<void>; restart(): Promise<void> }[] {
  const asServer = (service: ServiceProcess): ReturnType<typeof hit>[number] => ({
    kill: () => service.kill('SIGKILL'),
    restart: () => service.start(),
  });
  switch (outage) {
    case 'etcd':
      return [cluster.etcd];
    case 'NATS':
      return [cluster.nats];
    case 'all managers':
      return cluster.managers.map(asServer);
    case 'one manager':
      return cluster.managers.slice(0, 1).map(asServer);
    case "this node's agent":
      return [asServer(agentOf(cluster))];
  }
}
