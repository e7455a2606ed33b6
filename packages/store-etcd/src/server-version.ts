/**
 * True when etcd of this version answers a progress request after the events that it counts.
 *
 * Before 3.5.8 the answer can overtake events (etcd-io/etcd#15220; seen here with 3.4.23 in 9 of 440 answers). Late
 * releases of 3.4 have the repair too; they are treated as the early ones, which is only slower.
 */
export function tellsProgressInOrder(version: string): boolean {
  const [major = 0, minor = 0, patch = 0] = version.split(/[.\-+]/, 3).map(Number);
  if (major !== 3) return major > 3;
  if (minor !== 5) return minor > 5;
  return patch >= 8;
}
