// Original file: ../../proto/volplane/v1/common.proto


export interface RefusalInput {
  'reason'?: (string);
  'message'?: (string);
  'fields'?: ({[key: string]: string});
  'statusCode'?: (number);
}

export interface Refusal {
  'reason': (string);
  'message': (string);
  'fields': ({[key: string]: string});
  'statusCode': (number);
}
