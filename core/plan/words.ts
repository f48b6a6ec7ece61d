import type { ObjectChange } from "./changes.ts";
import type { CostReport, PlanReport, PolicyResult } from "./report.ts";

/** What every form of a report says the same way. */

/** `$20,036`, `$0.42`: whole dollars from a hundred on. */
export function dollars(amount: number): string {
  const digits = Math.abs(amount) >= 100 ? 0 : 2;
  const text = Math.abs(amount)
    .toFixed(digits)
    .replace(/\B(?=(\d{3})+(?!\d)(\.|$))/g, ",");
  return `${amount < 0 ? "−" : ""}$${text}`;
}

/** `$0.33`, to the cent; a price that nobody knows is not nothing. */
export function cents(amount: number | undefined): string {
  return amount === undefined ? "not known" : `$${amount.toFixed(2)}`;
}

/** `+$120 (+0.6 %)`; `no change`. */
export function difference(before: number, after: number): string {
  if (Math.abs(after - before) < 0.005) return "no change";
  const sign = after > before ? "+" : "";
  const percent = (Math.abs((after - before) / before) * 100).toFixed(1);
  const share = before === 0 ? "" : ` (${after > before ? "+" : "−"}${percent} %)`;
  return `${sign}${dollars(after - before)}${share}`;
}

/** `2 created, 3 changed (2 roll their pods), 1 deleted`; `nothing changes`. */
export function changeCounts({ changes: { objects } }: Pick<PlanReport, "changes">): string {
  const count = (wanted: (change: ObjectChange) => boolean): number => objects.filter(wanted).length;
  const of = (kind: ObjectChange["kind"]): number => count((change) => change.kind === kind);
  const rolls = count(({ effect }) => effect === "rolls");
  const nodes = count(({ effect }) => effect === "rolls nodes");
  const replaced = count(({ effect }) => effect === "replaced");
  const details = [
    ...(rolls === 0 ? [] : [`${String(rolls)} ${rolls === 1 ? "rolls its" : "roll their"} pods`]),
    ...(nodes === 0 ? [] : [`${String(nodes)} ${nodes === 1 ? "rolls its" : "roll their"} nodes`]),
    ...(replaced === 0 ? [] : [`${String(replaced)} replaced`]),
  ];
  const parts = [
    ...(of("created") === 0 ? [] : [`${String(of("created"))} created`]),
    ...(of("changed") === 0
      ? []
      : [`${String(of("changed"))} changed${details.length === 0 ? "" : ` (${details.join(", ")})`}`]),
    ...(of("deleted") === 0 ? [] : [`${String(of("deleted"))} deleted`]),
  ];
  return parts.length === 0 ? "no object changes" : parts.join(", ");
}

/** Objects that are others by themselves. */
export function ownChanges({ changes }: Pick<PlanReport, "changes">): readonly ObjectChange[] {
  return changes.objects.filter(({ isConsequence }) => isConsequence !== true);
}

/** Objects that are others because something that they name is replaced. */
export function consequences({ changes }: Pick<PlanReport, "changes">): readonly ObjectChange[] {
  return changes.objects.filter(({ isConsequence }) => isConsequence === true);
}

/** `embedding-model changed on gpu`; `no model changes`. */
export function modelWords({ changes: { models } }: Pick<PlanReport, "changes">): string {
  return models.length === 0
    ? "no model changes"
    : models.map(({ server, model, kind }) => `${model} ${modelKinds[kind]} ${server}`).join(", ");
}

const modelKinds = { created: "is new on", changed: "changes on", deleted: "is gone from" } as const;

/** What the engine does to a changed object. */
export const effects: Readonly<Record<NonNullable<ObjectChange["effect"]>, string>> = {
  rolls: "rolls its pods",
  "rolls nodes": "rolls its nodes",
  "in place": "in place",
  replaced: "is replaced",
  unknown: "replacement unknown offline",
};

/** `2 refused, 1 warned of`; `all kept`. */
export function policyCounts(policies: readonly PolicyResult[]): string {
  const refused = policies.filter(({ level }) => level !== "advisory").length;
  const warned = policies.length - refused;
  const parts = [
    ...(refused === 0 ? [] : [`${String(refused)} refused`]),
    ...(warned === 0 ? [] : [`${String(warned)} warned of`]),
  ];
  return parts.length === 0 ? "all kept" : parts.join(", ");
}

/** Lines on money, the headline first. */
export function costLines(cost: CostReport): readonly string[] {
  if (cost.items.length === 0) return ["nothing here has a known price: the config names no EC2 types"];
  const scaled = cost.mostPerHour > cost.perHour + 0.005;
  const { before, tokens } = cost;
  return [
    `${dollars(cost.perMonth)} a month, ${dollars(cost.perHour)} an hour${
      scaled ? `; scaled out ${dollars(cost.mostPerMonth)} a month, ${dollars(cost.mostPerHour)} an hour` : ""
    }`,
    ...(before === undefined
      ? []
      : [`before: ${dollars(before.perMonth)} a month → ${difference(before.perMonth, cost.perMonth)}`]),
    ...(before === undefined || Math.abs(before.mostPerMonth - cost.mostPerMonth) < 0.005 || !scaled
      ? []
      : [
          `scaled out before: ${dollars(before.mostPerMonth)} a month → ${difference(before.mostPerMonth, cost.mostPerMonth)}`,
        ]),
    ...(cost.perMillionInferences === undefined
      ? []
      : [
          `${dollars(cost.perMillionInferences)} a million inferences at ${String(cost.inferencesPerSecond)} a second`,
        ]),
    ...(cost.measured?.rates ?? []).map(
      ({ model, perMillion, inferencesPerSecond, assumption }) =>
        `${dollars(perMillion)} a million inferences of ${model} at ${inferencesPerSecond.toFixed(0)} a second: ${assumption}`,
    ),
    ...(cost.measured?.left ?? []).map((reason) => `no rate of ${reason}`),
    ...(tokens === undefined
      ? []
      : [
          `LLM: ${(tokens.tokensPerMonth / 1e6).toString()} million tokens a month at ${dollars(tokens.price.perMillion)} a million (${tokens.price.name}) are ${dollars(tokens.perMonth)}; at ${dollars(tokens.reference.perMillion)} (${tokens.reference.name}) they would be ${dollars(tokens.referencePerMonth)}, ${difference(tokens.referencePerMonth, tokens.perMonth)}`,
        ]),
    ...(cost.unpriced.length === 0 ? [] : [`without what has no known price: ${cost.unpriced.join(", ")}`]),
  ];
}
