import { readFileSync } from 'node:fs';
import { AppError } from '@volplane/base';
import type { CallContext } from '@volplane/engine';
import { createClient, type ClientTls, type VolplaneClient } from '@volplane/rpc';
import type { CtlSettings } from './config.js';
import type { ExitName } from './exit-codes.js';

/** What a command writes to and is ended by. */
export interface Io {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** Fires at Ctrl-C. */
  readonly signal: AbortSignal;
  /** The lines of a file, `-` for standard input. Throws Node's own errors. */
  readonly lines: (path: string) => AsyncIterable<string>;
}

/** One run of one command: its settings, its connection, and how it shows what it got. */
export class Session {
  readonly io: Io;
  readonly #settings: CtlSettings;
  #client: VolplaneClient | undefined;
  #exit: ExitName = 'ok';

  constructor(settings: CtlSettings, io: Io) {
    this.#settings = settings;
    this.io = io;
  }

  /** @throws AppError INVALID_ARGUMENT for an address that is none, and for a TLS file that cannot be read */
  get client(): VolplaneClient {
    this.#client ??= createClient({ addresses: this.#settings.address, ...tlsOf(this.#settings) });
    return this.#client;
  }

  /** For one call. */
  get context(): CallContext {
    return { signal: this.io.signal, timeoutMs: this.#settings.timeoutMs };
  }

  /** For a watch, which ends with Ctrl-C. */
  get endless(): CallContext {
    return { signal: this.io.signal, timeoutMs: FOREVER_MS };
  }

  get isJson(): boolean {
    return this.#settings.output === 'json';
  }

  /** Prints one answer: `value` for programs, `text` for people; nothing where there is no text. */
  show(value: unknown, text: () => string): void {
    const shown = this.isJson ? JSON.stringify(value, null, 2) : text();
    if (shown !== '') this.io.out(`${shown}\n`);
  }

  /** Prints one of many: a line of JSON for programs. */
  showLine(value: unknown, text: () => string): void {
    this.io.out(`${this.isJson ? JSON.stringify(value) : text()}\n`);
  }

  /** Tells people what is not part of the answer. */
  note(text: string): void {
    this.io.err(`volctl: ${text}\n`);
  }

  /** How the command ends when nothing else fails. */
  get exit(): ExitName {
    return this.#exit;
  }

  endWith(exit: ExitName): void {
    this.#exit = exit;
  }

  async close(): Promise<void> {
    await this.#client?.close();
  }
}

/** The longest delay that a timer of Node takes. */
const FOREVER_MS = 2 ** 31 - 1;

function tlsOf(settings: CtlSettings): { readonly tls?: ClientTls } {
  const { tlsCa, tlsCert, tlsKey, tlsServerName } = settings;
  // Who gave any of them wants TLS: nothing goes out in clear text because another one was forgotten.
  if (tlsCa === '' && tlsCert === '' && tlsKey === '' && tlsServerName === '') return {};
  if ((tlsCert === '') !== (tlsKey === '')) {
    throw new AppError('INVALID_ARGUMENT', 'a certificate needs its key: give --tls-cert and --tls-key together', { field: 'tls-key' });
  }
  return {
    tls: {
      ...(tlsCa === '' ? {} : { ca: readPem(tlsCa) }),
      ...(tlsCert === '' ? {} : { cert: readPem(tlsCert), key: readPem(tlsKey) }),
      ...(tlsServerName === '' ? {} : { serverName: tlsServerName }),
    },
  };
}

function readPem(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new AppError('INVALID_ARGUMENT', `cannot read ${path}`, { path }, error);
  }
}
