import { Client, credentials, status, type ChannelOptions, type ServiceError } from '@grpc/grpc-js';
import { systemClock } from '@volplane/base';
import type * as Wire from '../../src/messages.js';
import { csiService, type CsiServiceName } from '../../src/proto-file.js';

type Nothing = Readonly<Record<string, never>>;

interface RpcCapabilities {
  readonly capabilities: readonly { readonly rpc: { readonly type: number } }[];
}

/** What each method answers. */
export interface Answers {
  GetPluginInfo: { readonly name: string; readonly vendor_version: string };
  GetPluginCapabilities: {
    readonly capabilities: readonly {
      readonly type: string;
      readonly service: { readonly type: number } | null;
      readonly volume_expansion: { readonly type: number } | null;
    }[];
  };
  Probe: { readonly ready: { readonly value: boolean } | null };
  ControllerGetCapabilities: RpcCapabilities;
  GroupControllerGetCapabilities: RpcCapabilities;
  NodeGetCapabilities: RpcCapabilities;
  CreateVolume: { readonly volume: Wire.WireVolume };
  DeleteVolume: Nothing;
  ControllerPublishVolume: { readonly publish_context: Wire.WireMap };
  ControllerUnpublishVolume: Nothing;
  ValidateVolumeCapabilities: Wire.ValidateResponse;
  ListVolumes: Wire.ListVolumesResponse;
  ControllerGetVolume: Wire.ControllerGetVolumeResponse;
  ControllerGetVolumeHealth: { readonly volume_health: Wire.WireVolumeHealth };
  ControllerListVolumeHealth: { readonly entries: readonly Wire.WireVolumeHealth[]; readonly next_token: string };
  GetCapacity: Wire.GetCapacityResponse;
  CreateSnapshot: { readonly snapshot: Wire.WireSnapshot };
  DeleteSnapshot: Nothing;
  ListSnapshots: Wire.ListSnapshotsResponse;
  GetSnapshot: { readonly snapshot: Wire.WireSnapshot };
  ControllerExpandVolume: { readonly capacity_bytes: string; readonly node_expansion_required: boolean };
  ControllerModifyVolume: Nothing;
  CreateVolumeGroupSnapshot: { readonly group_snapshot: Wire.WireGroupSnapshot };
  GetVolumeGroupSnapshot: { readonly group_snapshot: Wire.WireGroupSnapshot };
  DeleteVolumeGroupSnapshot: Nothing;
  NodeGetInfo: Wire.NodeInfoResponse;
  NodeStageVolume: Nothing;
  NodeUnstageVolume: Nothing;
  NodePublishVolume: Nothing;
  NodeUnpublishVolume: Nothing;
  NodeGetVolumeStats: Wire.NodeStatsResponse;
  NodeExpandVolume: { readonly capacity_bytes: string };
  NodeGetVolumeHealth: { readonly volume_health: Wire.WireVolumeHealth };
  NodeGetStorageHealth: { readonly backend_health: readonly { readonly status: number; readonly reason: string }[] };
}

export type Method = keyof Answers;

/** Calls CSI methods over a real socket, as orchestrators do. */
export class CsiClient {
  readonly #client: Client;

  constructor(path: string, options: ChannelOptions = {}) {
    this.#client = new Client(`unix://${path}`, credentials.createInsecure(), options);
  }

  /** Resolves with the answer. @throws Error whose text begins with the code: `NOT_FOUND: no volume …` */
  call<M extends Method>(method: M, request: object, options: { readonly timeoutMs?: number } = {}): Promise<Answers[M]> {
    const { path, requestSerialize, responseDeserialize } = definitionOf(method);
    const deadline = options.timeoutMs === undefined ? {} : { deadline: systemClock.wallMs() + options.timeoutMs };
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, deadline, (error, answer) => {
        // The table above says what the proto file says.
        if (error === null) resolve(answer as Answers[M]);
        else reject(new CsiRefusal(error));
      });
    });
  }

  close(): void {
    this.#client.close();
  }
}

/** A refused call: its code by name, and everything that came with it. */
export class CsiRefusal extends Error {
  readonly code: string;
  readonly metadata: ServiceError['metadata'];

  constructor(error: ServiceError) {
    const code = status[error.code];
    super(`${code}: ${error.details}`);
    this.code = code;
    this.metadata = error.metadata;
  }
}

function definitionOf(method: Method): ReturnType<typeof csiService>[string] {
  for (const service of ['Identity', 'Controller', 'GroupController', 'Node'] satisfies CsiServiceName[]) {
    const found = csiService(service)[method];
    if (found !== undefined) return found;
  }
  throw new Error(`csi.proto has no method ${method}`);
}
