/**
 * A suite for real engines. It takes minutes and needs root and Debian's docker.io, so it runs in `npm run test:docker` only, which
 * fails where something is missing; elsewhere it is skipped.
 */
export function dockerSuite(title: string, body: () => void): void {
  if (process.env['VOLPLANE_TEST_DOCKER'] === '1') describe(title, body);
  else describe.skip(`${title} (npm run test:docker)`, body);
}
