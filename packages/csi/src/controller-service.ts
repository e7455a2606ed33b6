import type { CallGate } from './call-gate.js';
import { advertise, CONTROLLER_CAPABILITIES, GROUP_CAPABILITIES } from './capability-lists.js';
import type { ControllerContext } from './controller/context.js';
import { createVolume } from './controller/create-volume.js';
import { deleteVolume } from './controller/delete-volume.js';
import { expandVolume } from './controller/expand-volume.js';
import { getCapacity } from './controller/get-capacity.js';
import { createGroupSnapshot, deleteGroupSnapshot, getGroupSnapshot } from './controller/group-snapshots.js';
import { controllerGetVolume, listVolumes } from './controller/list-volumes.js';
import { modifyVolume } from './controller/modify-volume.js';
import { publishVolume } from './controller/publish-volume.js';
import { createSnapshot, deleteSnapshot, getSnapshot, listSnapshots } from './controller/snapshots.js';
import { unpublishVolume } from './controller/unpublish-volume.js';
import { validateVolume } from './controller/validate-volume.js';
import { controllerGetVolumeHealth, controllerListVolumeHealth } from './controller/volume-health.js';
import { changing, reading, volumeKey, type CsiHandlers } from './handlers.js';
import { internalName } from './ids.js';
import type * as Wire from './messages.js';

/** The Controller service: what managers serve. */
export function controllerHandlers(controller: ControllerContext, gate: CallGate): CsiHandlers {
  return {
    ControllerGetCapabilities: reading(gate, async (_request: object, context) => {
      const drivers = await controller.catalog.list(context);
      const able = drivers.map((driver) => driver.info.capabilities);
      return { capabilities: advertise(CONTROLLER_CAPABILITIES, controller.options.specLevel, able).map((type) => ({ rpc: { type } })) };
    }),
    CreateVolume: changing(
      gate,
      'CreateVolume',
      (request: Wire.CreateVolumeRequest) => `name ${internalName(request.name)}`,
      bind(controller, createVolume),
    ),
    DeleteVolume: changing(gate, 'DeleteVolume', volumeKey, bind(controller, deleteVolume)),
    ControllerPublishVolume: changing(gate, 'ControllerPublishVolume', volumeKey, bind(controller, publishVolume)),
    ControllerUnpublishVolume: changing(gate, 'ControllerUnpublishVolume', volumeKey, bind(controller, unpublishVolume)),
    ValidateVolumeCapabilities: reading(gate, bind(controller, validateVolume)),
    ListVolumes: reading(gate, bind(controller, listVolumes)),
    ControllerGetVolume: reading(gate, bind(controller, controllerGetVolume)),
    ControllerGetVolumeHealth: reading(gate, bind(controller, controllerGetVolumeHealth)),
    ControllerListVolumeHealth: reading(gate, bind(controller, controllerListVolumeHealth)),
    GetCapacity: reading(gate, bind(controller, getCapacity)),
    CreateSnapshot: changing(
      gate,
      'CreateSnapshot',
      (request: Wire.CreateSnapshotRequest) => `snapshot ${request.name}`,
      bind(controller, createSnapshot),
    ),
    DeleteSnapshot: changing(
      gate,
      'DeleteSnapshot',
      (request: Wire.SnapshotIdRequest) => `snapshot ${request.snapshot_id}`,
      bind(controller, deleteSnapshot),
    ),
    ListSnapshots: reading(gate, bind(controller, listSnapshots)),
    GetSnapshot: reading(gate, bind(controller, getSnapshot)),
    ControllerExpandVolume: changing(gate, 'ControllerExpandVolume', volumeKey, bind(controller, expandVolume)),
    ControllerModifyVolume: changing(gate, 'ControllerModifyVolume', volumeKey, bind(controller, modifyVolume)),
  };
}

/** The GroupController service: served beside Controller. */
export function groupHandlers(controller: ControllerContext, gate: CallGate): CsiHandlers {
  const group = (request: Wire.GroupIdRequest): string => `group ${request.group_snapshot_id}`;
  return {
    GroupControllerGetCapabilities: reading(gate, async (_request: object, context) => {
      const drivers = await controller.catalog.list(context);
      const able = drivers.map((driver) => driver.info.capabilities);
      return { capabilities: advertise(GROUP_CAPABILITIES, controller.options.specLevel, able).map((type) => ({ rpc: { type } })) };
    }),
    CreateVolumeGroupSnapshot: changing(
      gate,
      'CreateGroup',
      (request: Wire.CreateGroupRequest) => `group ${request.name}`,
      bind(controller, createGroupSnapshot),
    ),
    DeleteVolumeGroupSnapshot: changing(gate, 'DeleteGroup', group, bind(controller, deleteGroupSnapshot)),
    GetVolumeGroupSnapshot: reading(gate, bind(controller, getGroupSnapshot)),
  };
}

function bind<Q, C, R>(
  controller: ControllerContext,
  work: (controller: ControllerContext, request: Q, context: C) => Promise<R>,
): (request: Q, context: C) => Promise<R> {
  return (request, context) => work(controller, request, context);
}
