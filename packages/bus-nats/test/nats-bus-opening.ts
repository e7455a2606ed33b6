import { silentLogger, systemClock, systemRandom, type Clock, type LogFields, type Logger } from '@volplane/base';
import { waitFor } from '@volplane/testkit';
import { NatsBus, type NatsBusOptions } from '../src/nats-bus.js';

type Options = Partial<NatsBusOptions>;

export function open({ url }: { readonly url: string }, options: Options = {}): Promise<NatsBus> {
  return NatsBus.open({ servers: [url], name: 'test', clock: systemClock, random: systemRandom, log: silentLogger, ...options });
}

export async function openConnected(server: { readonly url: string }, options: Options = {}): Promise<NatsBus> {
  const bus = await open(server, options);
  await waitFor(() => bus.connected, { what: 'the bus is connected' });
  return bus;
}

/** Keeps `level message subject` of each line. */
export function recordingLogger(): { readonly log: Logger; readonly lines: string[] } {
  const lines: string[] = [];
  const record = (level: string) => (message: string, fields?: LogFields) => {
    const subject = fields?.['subject'];
    lines.push([level, message, ...(typeof subject === 'string' ? [subject] : [])].join(' '));
  };
  const log: Logger = { error: record('error'), warn: record('warn'), info: record('info'), debug: record('debug'), child: () => log };
  return { log, lines };
}

/** A clock whose turns end when the test says so. */
export function heldTurns(): { readonly clock: Clock; readonly endTurn: () => void } {
  const ends: (() => void)[] = [];
  const endTurn = (): void => {
    for (const end of ends.splice(0)) end();
  };
  return { clock: { ...systemClock, soon: (callback) => ends.push(callback) }, endTurn };
}
