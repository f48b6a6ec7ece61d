/** What an LLM's tokens cost with the configured provider, beside another that everybody knows. */

/** USD for a million tokens. */
export interface TokenPrice {
  readonly name: string;
  readonly perMillion: number;
}

/**
 * Source: the article this platform was made after, "Cost": DeepSeek V3 at HolySheep $0.42 and GPT-4 $8 for a million
 * tokens, prompt and answer alike. Prices of 2025: set your own where they are others.
 */
export const holysheepTokens: TokenPrice = { name: "DeepSeek V3 at HolySheep", perMillion: 0.42 };
export const referenceTokens: TokenPrice = { name: "GPT-4", perMillion: 8 };

export interface TokenCost {
  readonly tokensPerMonth: number;
  readonly price: TokenPrice;
  readonly reference: TokenPrice;
  /** USD a month. */
  readonly perMonth: number;
  readonly referencePerMonth: number;
  /** Of the reference's: 0.9475 for 94.75 % less; below 0 where it is dearer. */
  readonly saving: number;
}

export function tokenCost(
  tokensPerMonth: number,
  price: TokenPrice = holysheepTokens,
  reference: TokenPrice = referenceTokens,
): TokenCost {
  const of = ({ perMillion }: TokenPrice): number => (tokensPerMonth / 1_000_000) * perMillion;
  return {
    tokensPerMonth,
    price,
    reference,
    perMonth: of(price),
    referencePerMonth: of(reference),
    saving: 1 - price.perMillion / reference.perMillion,
  };
}
