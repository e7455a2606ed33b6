import { isIP } from 'node:net';
import type { StringMap } from '@volplane/domain';
import { abortMethod, type AbortMethod, type MountCall } from '@volplane/host';
import { invalidOption } from '../invalid-option.js';
import type { MountDriverConfig } from './mount-config.js';
import { renderTemplate, valueFault } from './template.js';

/** What mount(8) is told, but for the target and the mode. */
export type MountPlan = Pick<MountCall, 'type' | 'source' | 'options'> & {
  /** To be resolved at each mount and handed to {@link withServerAddress}; absent: there is no server, or it is an address. */
  readonly host?: string;
};

/** The mount call of one volume. Pure: the same configuration and volume give the same call. */
export function planMount(
  config: MountDriverConfig,
  volume: { readonly name: string; readonly uid: string; readonly options: StringMap },
): MountPlan {
  const source = renderTemplate(config.source, volume);
  const credentials =
    config.credentialsFile === undefined ? [] : [`${config.credentialsOption ?? 'credentials'}=${config.credentialsFile}`];
  const options = [...config.options.map((option) => renderTemplate(option, volume)), ...credentials];
  const host = serverOf(config.type, source, options);
  return { type: config.type, source, options, ...(host === undefined ? {} : { host }) };
}

/** The plan for the address that its host has now. Pure. */
export function withServerAddress(plan: MountPlan, address: string): MountPlan {
  const word = isCifs(plan.type) ? 'ip' : 'addr';
  return { ...plan, options: [...plan.options, `${word}=${address}`] };
}

/**
 * The plan for a look at a file system that another node may have mounted for writing: nothing is written, and an unclean
 * journal is left alone. Pure.
 */
export function toLookPlan(plan: MountPlan): MountPlan {
  if (/^ext[234]$/.test(plan.type)) return { ...plan, options: [...plan.options, 'noload'] };
  if (plan.type === 'xfs') return { ...plan, options: [...plan.options, 'norecovery'] };
  return plan;
}

/** How a mount of one volume can be cut off: only a whole file system of a type with a cut. Pure. */
export function mountAbortMethod(config: MountDriverConfig): AbortMethod | undefined {
  return config.layout === 'whole' ? abortMethod(config.kernelType ?? config.type) : undefined;
}

/** @throws AppError INVALID_OPTION */
export function checkVolumeOptions(config: MountDriverConfig, options: StringMap): void {
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(config.volumeOptions, name)) throw invalidOption(name, `is not an option of driver ${config.name}`);
    const fault = valueFault(value);
    if (fault !== undefined) throw invalidOption(name, fault);
  }
  for (const name of Object.keys(config.volumeOptions)) {
    if (!Object.hasOwn(options, name)) throw invalidOption(name, `is needed by driver ${config.name}: ${config.volumeOptions[name] ?? ''}`);
  }
}

/** Kerberos checks the server by its name, and an address that is given is the operator's wish. */
function serverOf(type: string, source: string, options: readonly string[]): string | undefined {
  if (options.some((option) => /^(addr|ip)=/.test(option) || /^sec=krb5/.test(option))) return undefined;
  const nfs = /^nfs4?$/.test(type) ? /^(\[[^\]]*\]|[^:/]+):/.exec(source)?.[1] : undefined;
  const cifs = isCifs(type) ? /^\/\/([^/]+)/.exec(source)?.[1] : undefined;
  const host = nfs ?? cifs;
  return host === undefined || host.startsWith('[') || isIP(host) !== 0 ? undefined : host;
}

function isCifs(type: string): boolean {
  return type === 'cifs' || type === 'smb3';
}
