import { existsSync, readFileSync } from "node:fs";
import * as z from "zod";

/** A violation, or what could not be decided, as the engine tells it. */
const policyEventSchema = z.object({
  resourceUrn: z.string().default(""),
  message: z.string(),
  policyName: z.string(),
  enforcementLevel: z.string(),
});
export type PolicyEvent = z.output<typeof policyEventSchema>;

const eventSchema = z.looseObject({ policyEvent: policyEventSchema.optional() });

/** The policies' events in an event log of the engine: an object a line. Colours are taken out. */
export function eventsOf(log: string): readonly PolicyEvent[] {
  if (!existsSync(log)) return [];
  return readFileSync(log, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .flatMap((line) => eventSchema.parse(JSON.parse(line)).policyEvent ?? [])
    .map((event) => ({ ...event, message: event.message.replaceAll(/<\{%[^%]*%\}>/g, "").trimEnd() }));
}
