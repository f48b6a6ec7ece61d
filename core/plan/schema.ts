import * as z from "zod";
import type { PlanReport } from "./report.ts";

/**
 * plan.json as data from elsewhere: another commit's, or that of a pull request from a fork, whose author decides on every
 * byte of it. What is longer than any plan is refused.
 */

const word = z.string().max(1_000);
const line = z.string().max(20_000);
const text = z.string().max(5_000_000);
const list = <T extends z.ZodType>(item: T, most = 20_000): z.ZodArray<T> => z.array(item).max(most);
const amount = z.number();

const stackName = z.string().regex(/^[A-Za-z0-9][\w.-]{0,99}$/);
const kind = z.enum(["created", "changed", "deleted"]);

const policySchema = z.object({
  rule: word,
  severity: z.enum(["low", "medium", "high", "critical"]),
  level: z.enum(["advisory", "mandatory", "remediate"]),
  ...{ resource: word, path: line, message: line, hint: line },
  isNew: z.boolean().exactOptional(),
});

const tokenPriceSchema = z.object({ name: word, perMillion: amount });

const costSchema = z.object({
  ...{ perHour: amount, perMonth: amount, mostPerHour: amount, mostPerMonth: amount },
  unpriced: list(word),
  items: list(
    z.object({
      ...{ kind: word, name: word, assumption: line },
      perMonth: amount.exactOptional(),
      mostPerMonth: amount.exactOptional(),
    }),
  ),
  perMillionInferences: amount.exactOptional(),
  inferencesPerSecond: amount.exactOptional(),
  measured: z
    .object({
      rates: list(
        z.object({ model: word, inferencesPerSecond: amount, assumption: line, perMillion: amount }),
      ),
      left: list(line),
    })
    .exactOptional(),
  tokens: z
    .object({
      ...{ tokensPerMonth: amount, perMonth: amount, referencePerMonth: amount, saving: amount },
      ...{ price: tokenPriceSchema, reference: tokenPriceSchema },
    })
    .exactOptional(),
  before: z
    .object({
      ...{ perMonth: amount, mostPerMonth: amount },
      perMillionInferences: amount.exactOptional(),
    })
    .exactOptional(),
});

export const reportSchema: z.ZodType<PlanReport> = z.object({
  format: z.literal(1),
  stack: stackName,
  ...{ target: word, environment: word },
  base: word.exactOptional(),
  objects: z.int().min(0),
  changes: z.object({
    models: list(z.object({ server: word, model: word, kind })),
    objects: list(
      z.object({
        object: word,
        kind,
        effect: z.enum(["replaced", "in place", "unknown", "rolls", "rolls nodes"]).exactOptional(),
        isConsequence: z.literal(true).exactOptional(),
        paths: list(z.object({ path: line, before: line.exactOptional(), after: line.exactOptional() })),
      }),
    ),
    files: list(z.object({ path: line, kind, diff: text, added: z.int().min(0), removed: z.int().min(0) })),
  }),
  picture: list(line),
  cost: costSchema,
  policies: list(policySchema),
  // Plans of before had none.
  undecided: list(z.object({ rule: word, resource: word, message: line })).default([]),
  mended: list(policySchema),
  warnings: list(line),
  advice: list(z.object({ file: word, path: line, code: word, message: line, hint: line })),
});

/** What `--format json` says where there is no plan. */
export const problemsSchema = z.object({
  format: z.literal(1),
  stack: stackName,
  problems: list(z.object({ file: word, path: line, message: line, hint: line })).min(1),
});
