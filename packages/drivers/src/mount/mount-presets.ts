import type { MountDriverConfig } from './mount-config.js';

type Words = Pick<MountDriverConfig, 'type' | 'source' | 'options'>;

/** The usual words for an NFS export; needs nfs-common on the nodes. `path` may hold placeholders with layout `whole`. Pure. */
export function nfsPreset(server: {
  readonly host: string;
  readonly path: string;
  readonly version?: string;
  readonly options?: readonly string[];
}): Words {
  return { type: 'nfs', source: `${server.host}:${server.path}`, options: [`vers=${server.version ?? '4.2'}`, ...(server.options ?? [])] };
}

/** The usual words for an SMB share; needs cifs-utils on the nodes, and `credentialsFile` beside it. Pure. */
export function cifsPreset(server: {
  readonly host: string;
  readonly share: string;
  readonly version?: string;
  readonly options?: readonly string[];
}): Words {
  return {
    type: 'cifs',
    source: `//${server.host}/${server.share}`,
    options: [`vers=${server.version ?? '3.1.1'}`, ...(server.options ?? [])],
  };
}
