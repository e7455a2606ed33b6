import { AppError } from '@volplane/base';

/** A place in a list as callers hold it; opaque to them. */
export function toPageToken(cursor: object): string {
  return Buffer.from(JSON.stringify(cursor)).toString('base64url');
}

/** The fields of a token that this list has made, each a string. @throws AppError PAGE_TOKEN_INVALID */
export function parsePageToken(token: string): Readonly<Record<string, string>> {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(token, 'base64url').toString('utf8'));
  } catch (error) {
    throw invalidPageToken(error);
  }
  if (typeof value !== 'object' || value === null || !Object.values(value).every((field) => typeof field === 'string'))
    throw invalidPageToken();
  return value as Readonly<Record<string, string>>; // every field was looked at
}

export function invalidPageToken(cause?: unknown): AppError {
  return new AppError('PAGE_TOKEN_INVALID', 'the page token was not made by this list', { field: 'page_token' }, cause);
}
