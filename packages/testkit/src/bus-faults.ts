import type { Random } from '@volplane/base';

/** A message of the simulated bus on its way from one endpoint to another. */
export interface BusMessage {
  readonly kind: 'request' | 'reply';
  /** Names of endpoints. */
  readonly from: string;
  readonly to: string;
  /** The subject of the request; a reply carries the one that it answers. */
  readonly subject: string;
  /** JSON. */
  readonly text: string;
}

/**
 * Decides what becomes of one message: the delay in milliseconds of each copy that arrives.
 *
 * `[]` = lost, `[0]` = arrives at once, `[0, 40]` = arrives twice; different delays put messages out of order.
 */
export type BusFate = (message: BusMessage) => readonly number[];

/** Every message arrives once and at once. */
export const faultlessBus: BusFate = () => ONCE;

/** Messages are lost and doubled at the given rates (0 to 1), and each copy takes up to `delayMsMax`. */
export function randomBusFate(
  random: Random,
  rates: { readonly lossRate: number; readonly doubleRate: number; readonly delayMsMax: number },
): BusFate {
  return () => {
    if (random.float() < rates.lossRate) return [];
    const copies = random.float() < rates.doubleRate ? 2 : 1;
    return Array.from({ length: copies }, () => Math.floor(random.float() * (rates.delayMsMax + 1)));
  };
}

const ONCE: readonly number[] = [0];
