/**
 * A suite that builds and runs the images. It takes minutes and needs root, Debian's mirror and npm's registry, so it runs in
 * `npm run test:images` only, which fails where something is missing; elsewhere it is skipped.
 */
export function imageSuite(title: string, body: (this: Mocha.Suite) => void): void {
  if (process.env['VOLPLANE_TEST_IMAGES'] === '1') describe(title, body);
  else describe.skip(`${title} (npm run test:images)`, body);
}
