import { InvalidArgumentError, Option } from 'commander';
import { ACCESS_MODES, TAKEOVER_POLICIES, type StringMap } from '@volplane/domain';
import type { Session } from './session.js';
import { parseSize } from './text/size.js';

/** Parsers of arguments and options; what they refuse is a usage fault that names the argument. */

/** Gathers the values of an option that may be given several times. */
export function gather(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), value];
}

/** Gathers `key=value`; a key alone has the empty value. The last one of a key wins. */
export function gatherPairs(value: string, before: StringMap | undefined): StringMap {
  const at = value.indexOf('=');
  const key = at < 0 ? value : value.slice(0, at);
  if (key === '') throw new InvalidArgumentError('Use KEY=VALUE.');
  return { ...before, [key]: at < 0 ? '' : value.slice(at + 1) };
}

export function size(value: string): number {
  try {
    return parseSize(value);
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? `It ${error.message}.` : 'It is no size.');
  }
}

/** A whole number from 0 on: sequence numbers, revisions, generations. */
export function count(value: string): number {
  const number = Number(value);
  if (!/^[0-9]+$/.test(value) || !Number.isSafeInteger(number)) throw new InvalidArgumentError('It is no whole number.');
  return number;
}

export const nodeOption = (help: string): Option => new Option('-n, --node <node>', help);
export const accessModeOption = (): Option =>
  new Option('--access-mode <mode>', 'who may have it attached beside whom').choices(ACCESS_MODES);
export const takeoverOption = (): Option =>
  new Option('--takeover <policy>', 'on which evidence it may be granted away from a node that did not release it').choices(
    TAKEOVER_POLICIES,
  );

/** The node as the API takes it: no key when it was not given. */
export function onNode(options: { readonly node?: string }): { readonly node?: string } {
  return options.node === undefined ? {} : { node: options.node };
}

/** What a command does with its session and with what the user gave, as the command's own parsers made it. */
export type Work = (session: Session, ...given: never[]) => Promise<void>;

/** Makes a commander action of it. */
export type Act = (work: Work) => (...given: readonly unknown[]) => Promise<void>;
