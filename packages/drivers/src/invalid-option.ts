import { AppError } from '@volplane/base';

/** Names the option and its fault; never repeats the value, which may be a secret. */
export function invalidOption(option: string, fault: string): AppError {
  return new AppError('INVALID_OPTION', `option ${option} ${fault}`, { option });
}
