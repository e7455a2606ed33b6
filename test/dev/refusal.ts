import { SetupError } from '../../deploy/dev/setup/process.mjs';

/** What the set-up tells the person at the terminal when `work` fails; anything but such a message fails the test. */
export async function refusal(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    if (error instanceof SetupError) return error.message;
    throw error;
  }
  throw new Error('nothing was refused');
}
