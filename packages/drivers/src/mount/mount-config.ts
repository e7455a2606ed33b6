import type { AccessMode, StringMap } from '@volplane/domain';
import { parsePlaceholders } from './template.js';

/** One file system that nodes reach by mount(8), told by data. See `mount` in docs/drivers.md. */
export interface MountDriverConfig {
  readonly name: string;
  /** For mount -t: `nfs`, `cifs`, `ext4`, `fuse.sshfs`, … */
  readonly type: string;
  /** The type that the kernel shows when it differs, such as `fuse.glusterfs` for `glusterfs`. */
  readonly kernelType?: string;
  /** `server:/export`, `//server/share`, `/dev/disk/by-label/{name}`, … */
  readonly source: string;
  /** Mount options without `ro` and `rw`; they may hold placeholders. */
  readonly options: readonly string[];
  /**
   * `subfolder`: one export for all volumes, each a folder of it. `whole`: each volume is a whole export of its own, named
   * by the placeholders of the source.
   */
  readonly layout: 'subfolder' | 'whole';
  /** Volumes are mounted at `<mountRoot>/<uid>` on each node. */
  readonly mountRoot: string;
  /** Options that a volume must give, each with a line of help; exactly those that the templates name. */
  readonly volumeOptions: StringMap;
  /** A file with user name and password that is handed over as `<credentialsOption>=<credentialsFile>`. */
  readonly credentialsFile?: string;
  /** Default `credentials`, the word of mount.cifs; `secretfile` for ceph. */
  readonly credentialsOption?: string;
  /** The default one first. */
  readonly accessModes: readonly AccessMode[];
  /** `subfolder`: how long removed data stays in the export's `.trash`. */
  readonly trashKeepMs: number;
  /** `whole`: an export that holds data already may become a volume; its data is never deleted. */
  readonly adopt: boolean;
}

/** What is wrong with a configuration beyond the shape of its fields; undefined = nothing. Pure. */
export function mountConfigFault(config: MountDriverConfig): string | undefined {
  if (!/^[a-z0-9][a-z0-9._-]{0,62}$/i.test(config.type)) return 'type is not the name of a file system type';
  if (!config.mountRoot.startsWith('/')) return 'mountRoot is not an absolute path';
  if (config.options.some((option) => option === 'ro' || option === 'rw'))
    return 'options hold ro or rw, which each mount decides for itself';
  if (config.options.some((option) => option === '' || /[,"'\p{Cc}]/u.test(option)))
    return 'an option is empty or holds a comma, a quote or a control character';
  if (config.options.some(isSecret)) return 'an option holds a secret, which everybody on the node could read: use credentialsFile';
  const used = new Set<string>();
  for (const template of [config.source, ...config.options]) {
    const placeholders = parsePlaceholders(template);
    if ('unknown' in placeholders) return `${placeholders.unknown} is not a placeholder: use {name}, {uid} or {option.x}`;
    if (config.layout === 'subfolder' && placeholders.length > 0)
      return 'layout subfolder has one export for all volumes, so there can be no placeholders';
    for (const placeholder of placeholders) if (placeholder.kind === 'option') used.add(placeholder.option);
  }
  return optionsFault(config, used) ?? wholeFault(config);
}

/** Undeclared options would be a surprise for users, unused ones a silent no-op. */
function optionsFault(config: MountDriverConfig, used: ReadonlySet<string>): string | undefined {
  const declared = Object.keys(config.volumeOptions);
  const undeclared = [...used].find((option) => !declared.includes(option));
  if (undeclared !== undefined) return `{option.${undeclared}} is used, but volumeOptions has no help line for it`;
  const unused = declared.find((option) => !used.has(option));
  if (unused !== undefined) return `volumeOptions names ${unused}, which no template uses`;
  const secret = declared.find((option) => isSecret(`${option}=`));
  return secret === undefined ? undefined : `the option ${secret} would be a secret in every document: use credentialsFile`;
}

function wholeFault(config: MountDriverConfig): string | undefined {
  if (config.layout !== 'whole') return undefined;
  const placeholders = parsePlaceholders(config.source);
  return 'unknown' in placeholders || placeholders.length > 0
    ? undefined
    : 'layout whole needs a placeholder in the source, because two volumes cannot be the same export';
}

function isSecret(option: string): boolean {
  return /^(pass|passwd|password|password2|secret|key)=/i.test(option);
}
