// Original file: ../../proto/volplane/v1/volumes.proto


export interface GetStatusResponseInput {
  'status'?: ({[key: string]: string});
}

export interface GetStatusResponse {
  'status': ({[key: string]: string});
}
