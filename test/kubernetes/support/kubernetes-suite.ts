/**
 * A suite for a real Kubernetes. It needs root, Go, containerd and runc, so it runs in `npm run test:kubernetes` only, which builds
 * Kubernetes first, and fails where something is missing; elsewhere it is skipped.
 */
export function kubernetesSuite(title: string, body: () => void): void {
  if (process.env['VOLPLANE_TEST_KUBERNETES'] === undefined) describe.skip(`${title} (npm run test:kubernetes)`, body);
  else describe(title, body);
}

/** What `npm run test:kubernetes` has built: programs in `bin`, definitions of objects in `crd`. */
export function toolsFolder(): string {
  const folder = process.env['VOLPLANE_TEST_KUBERNETES'];
  if (folder === undefined) throw new Error('this runs under npm run test:kubernetes alone');
  return folder;
}
