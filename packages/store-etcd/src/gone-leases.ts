import { AppError } from '@volplane/base';
import type { KvOutcome, KvTransaction } from '@volplane/ports';

/** etcd refused a request because a lease that it names is gone. */
export class LeaseGone extends Error {}

export interface LeaseAwareSender {
  /** Sends transactions as one proposal. @throws LeaseGone when a put binds a key to a lease that is gone; nothing was written then */
  send(batch: readonly KvTransaction[]): Promise<readonly KvOutcome[]>;
  isGone(lease: string): Promise<boolean>;
  currentRevision(): Promise<number>;
}

/**
 * Runs a batch so that a lease that is gone fails the transactions that need it and no others.
 *
 * etcd refuses the whole proposal for one such lease, without effect. Then the leases are looked up, and the batch is
 * sent again without the transactions whose lease is gone. That costs nothing while all leases live.
 */
export async function transactWithoutGoneLeases(batch: readonly KvTransaction[], sender: LeaseAwareSender): Promise<readonly KvOutcome[]> {
  const gone = new Set<string>();
  for (let round = 0; round < ROUNDS_MAX; round += 1) {
    const possible = batch.filter((transaction) => !leasesOf(transaction).some((lease) => gone.has(lease)));
    try {
      // A round needs what the last one learned.
      const outcomes = possible.length === 0 ? [] : await sender.send(possible);
      const revision = outcomes[0]?.revision ?? (await sender.currentRevision());
      const byTransaction = new Map(possible.map((transaction, index) => [transaction, outcomes[index]]));
      return batch.map((transaction) => byTransaction.get(transaction) ?? { succeeded: false, revision });
    } catch (error) {
      if (!(error instanceof LeaseGone)) throw error;
    }
    for (const lease of await findGone(possible, sender)) gone.add(lease);
  }
  throw new AppError('STORE_UNAVAILABLE', 'etcd refused a batch for a lease that it calls alive; nothing was changed');
}

/** Leases end one after the other at worst; more rounds than this means that etcd contradicts itself. */
const ROUNDS_MAX = 8;

async function findGone(batch: readonly KvTransaction[], sender: LeaseAwareSender): Promise<readonly string[]> {
  const leases = [...new Set(batch.flatMap(leasesOf))];
  const gone = await Promise.all(leases.map((lease) => sender.isGone(lease)));
  return leases.filter((_, index) => gone[index]);
}

function leasesOf({ writes }: KvTransaction): readonly string[] {
  return writes.flatMap((write) => (write.type === 'put' && write.lease !== undefined ? [write.lease] : []));
}
