/**
 * What happens once per edge: fold and prices.
 *
 * @module
 */
import type { EdgeTable } from "./state.ts";
import {
  clamp,
  COST_MOST,
  GAIN_LEAST,
  log2fix,
  PRICE_LEAST,
  PRICE_MOST,
  STEP_LEAST,
  VALUE_MOST,
  WORD_NONE,
} from "./spec.ts";

/** Makes words and limits of what was given. */
export function fold(edges: EdgeTable): void {
  const { costs, hashes, capacities, alive, prices, words, limits } = edges;
  const isUsable = (e: number) => alive[e] !== 0 && capacities[e]! > 0 && costs[e]! <= COST_MOST;
  let least = Infinity;
  for (let e = 0; e < words.length; e++) {
    if (isUsable(e)) least = Math.min(least, costs[e]! + prices[e]!);
  }
  for (let e = 0; e < words.length; e++) {
    const value = Math.min(costs[e]! + prices[e]! - least, VALUE_MOST);
    words[e] = isUsable(e) ? value << 13 | (hashes[e]! & 0xfff) << 1 | 1 : WORD_NONE;
    limits[e] = isUsable(e) ? capacities[e]! : 0;
  }
}

/** Raises prices of edges with more load than capacity, lowers the others. */
export function updatePrices(edges: EdgeTable, loads: Float64Array, eta: number): void {
  const { words, limits, prices, gains, lasts } = edges;
  let loadSum = 0, capacitySum = 0;
  words.forEach((word, e) => {
    if (word === WORD_NONE) return;
    loadSum += loads[e]!;
    capacitySum += limits[e]!;
  });
  if (loadSum === 0) return;
  const shift = Math.max(0, log2fix(loadSum + 1) - log2fix(capacitySum + 1));
  words.forEach((word, e) => {
    if (word === WORD_NONE) return;
    const excess = log2fix(loads[e]! + 1) - log2fix(limits[e]! + 1);
    const step = Math.max(excess - shift, STEP_LEAST);
    const gain = gains[e] = nextGain(gains[e]!, step * lasts[e]! < 0, eta);
    lasts[e] = step;
    prices[e] = clamp(prices[e]! + Math.trunc(step * gain / 256), PRICE_LEAST, PRICE_MOST);
  });
}

function nextGain(gain: number, isTurning: boolean, eta: number): number {
  const wanted = isTurning ? Math.max(gain >> 1, GAIN_LEAST) : gain + (gain >> 3) + 1;
  return Math.min(wanted, eta);
}

/** Prices that share load in proportion to capacity, were all else equal. */
export function resetPrices(edges: EdgeTable, eta: number): void {
  const { words, limits, prices, gains, lasts } = edges;
  gains.fill(eta);
  lasts.fill(0);
  let most = 0;
  for (const limit of limits) most = Math.max(most, log2fix(limit + 1));
  words.forEach((word, e) => {
    prices[e] = word === WORD_NONE ? 0 : (most - log2fix(limits[e]! + 1)) * 177 >> 8;
  });
}
