import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { aboutCompose } from './about-compose.js';
import { aboutContents } from './about-contents.js';
import { aboutPlugin } from './about-plugin.js';
import { provideBaseImages } from './support/base-images.js';
import { imageSuite } from './support/image-suite.js';
import { SmallMachine } from './support/small-machine.js';

/** A first run fetches three roots of Debian, and a small machine compiles slowly. */
const SUITE_MS_MAX = 40 * 60_000;

/** One machine for all: what takes long is to make it and to build the images, which the first test does. */
imageSuite('the images', function () {
  this.timeout(SUITE_MS_MAX);
  let machine: SmallMachine;

  before(async () => {
    machine = await SmallMachine.start();
    await provideBaseImages(machine);
  });

  after(async () => {
    await machine.end();
  });

  it('are built by the commands at the head of the Dockerfile', async () => {
    const commands = [...(await textOf('deploy/docker/Dockerfile')).matchAll(/^# {3}(docker build .*)$/gm)].map(
      ([, command = '']) => command,
    );
    for (const command of commands) await machine.shell(command, { at: '/checkout', secondsMax: 1_200 });
  });

  aboutContents(() => machine);
  aboutCompose(() => machine);
  aboutPlugin(() => machine);
});

function textOf(path: string): Promise<string> {
  return readFile(fileURLToPath(new URL(`../../${path}`, import.meta.url)), 'utf8');
}
