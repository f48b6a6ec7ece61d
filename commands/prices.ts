import { writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import * as prettier from "prettier";
import { prices } from "../core/cost/prices.ts";
import type { PriceSnapshot } from "../core/cost/snapshot.ts";
import { refreshPrices } from "./prices/refresh.ts";
import { projectRoot } from "./setup/places.ts";

/**
 * `npm run prices [-- --region <region>] [--from <URL>]`: writes today's list prices of AWS to core/cost/prices.ts, of the
 * regions that it has, and of those named besides. `--from` is a mirror of AWS' price list. Needs no account. The list of
 * EC2 has hundreds of megabytes; it is read as it comes, and never kept.
 */
export async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      region: { type: "string", multiple: true, default: [] },
      from: { type: "string", default: "https://pricing.us-east-1.amazonaws.com" },
    },
  });
  const regions = [...new Set([...Object.keys(prices.regions), ...values.region])];
  console.log(`Reading the price lists of ${regions.join(", ")} from ${values.from} …`);
  const { snapshot, notes } = await refreshPrices(prices, {
    regions,
    base: values.from.replace(/\/$/, ""),
    today: new Date().toISOString().slice(0, 10),
  });
  for (const note of notes) console.log(note);
  const file = path.join("core", "cost", "prices.ts");
  writeFileSync(path.join(projectRoot, file), await pricesModule(snapshot));
  console.log(`${file} has the prices of ${snapshot.date}.`);
}

/** Text of the module that holds a snapshot. */
export async function pricesModule(snapshot: PriceSnapshot): Promise<string> {
  const text = [
    'import type { PriceSnapshot } from "./snapshot.ts";',
    "",
    "/** Written by `npm run prices`. */",
    `export const prices: PriceSnapshot = ${JSON.stringify(snapshot)};`,
  ].join("\n");
  const options = await prettier.resolveConfig(path.join(projectRoot, "core", "cost", "prices.ts"));
  return prettier.format(text, { ...options, parser: "typescript", objectWrap: "collapse" });
}
