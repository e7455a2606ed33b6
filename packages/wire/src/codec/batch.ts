import { AppError, parseFailure, toFailure, type Failure } from '@volplane/base';
import type { CreateVolumeRequest, VolumeView } from '@volplane/domain';
import type { CreateVolumesRequest, CreateVolumesRequestInput } from '../generated/volplane/v1/CreateVolumesRequest.js';
import type { CreateVolumesResponse, CreateVolumesResponseInput } from '../generated/volplane/v1/CreateVolumesResponse.js';
import type { CreateVolumeResult, CreateVolumeResultInput } from '../generated/volplane/v1/CreateVolumeResult.js';
import type { CreateVolumeRequest as WireCreateVolume } from '../generated/volplane/v1/CreateVolumeRequest.js';
import { listFromWire, mapFromWire, oneOf, refuseField, required, uint32ToWire } from './scalars.js';
import { volumeFromWire, volumeToWire } from './volume.js';
import { createVolumeFromWire, createVolumeToWire } from './volume-requests.js';

/** What became of one volume of a batch; `index` is its place among all that were sent, from 0. */
export type BatchResult = { readonly index: number; readonly volume: VolumeView } | { readonly index: number; readonly failure: Failure };

/** One volume of a batch as it was received: a bad one is refused alone, the others go on. */
export type BatchItem = { readonly request: CreateVolumeRequest } | { readonly failure: Failure };

/** A result with the status that a call of its own would have had; the codes are the door's affair, not the wire's. */
export type CodedBatchResult = BatchResult & { readonly statusCode: number };

export function batchToWire(requests: readonly CreateVolumeRequest[]): CreateVolumesRequestInput {
  return { volumes: requests.map(createVolumeToWire) };
}

/** @throws AppError TOO_LARGE for more than 1000 volumes; INVALID_ARGUMENT for none */
export function batchFromWire(message: CreateVolumesRequest): readonly BatchItem[] {
  if (message.volumes.length === 0) refuseField('volumes', 'is empty');
  return listFromWire(message.volumes, 'volumes').map(itemFromWire);
}

export function batchResultsToWire(results: readonly CodedBatchResult[]): CreateVolumesResponseInput {
  return { results: results.map(resultToWire) };
}

export function batchResultsFromWire(message: CreateVolumesResponse): readonly BatchResult[] {
  return message.results.map(resultFromWire);
}

function itemFromWire(message: WireCreateVolume): BatchItem {
  try {
    return { request: createVolumeFromWire(message) };
  } catch (error) {
    if (error instanceof AppError) return { failure: toFailure(error) };
    throw error;
  }
}

function resultToWire(result: CodedBatchResult): CreateVolumeResultInput {
  const index = uint32ToWire(result.index, 'results.index');
  if ('volume' in result) return { index, volume: volumeToWire(result.volume) };
  return { index, refusal: { ...result.failure, statusCode: result.statusCode } };
}

function resultFromWire(message: CreateVolumeResult): BatchResult {
  const { index } = message;
  if (oneOf(message, ['volume', 'refusal'], 'results.outcome') === 'volume') {
    return { index, volume: volumeFromWire(required(message.volume, 'results.volume')) };
  }
  const { reason, message: text, fields } = required(message.refusal, 'results.refusal');
  return { index, failure: parseFailure(reason, text, mapFromWire(fields, 'results.refusal.fields')) };
}
