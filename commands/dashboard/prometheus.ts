import * as z from "zod";
import { messageOf } from "../../core/errors.ts";
import { UserError } from "../setup/user-error.ts";

/** A Prometheus that is asked over its HTTP API. Source: Prometheus, "HTTP API". */
export class Prometheus {
  constructor(private readonly url: string) {}

  /** Values at each step from `start` to `end`, all in Unix seconds. */
  async range(expr: string, { start, end, step }: TimeRange): Promise<readonly Series[]> {
    const answer = await this.#ask("query_range", {
      query: expr,
      start: String(start),
      end: String(end),
      step: String(step),
    });
    return rangeSchema.parse(answer).result.map(({ metric, values }) => ({
      labels: metric,
      values: values.map(([time, value]) => [time, Number(value)] as const),
    }));
  }

  /** What fires, and what may soon. */
  async alerts(): Promise<readonly ActiveAlert[]> {
    return alertsSchema.parse(await this.#ask("alerts", {})).alerts;
  }

  async #ask(what: string, parameters: Readonly<Record<string, string>>): Promise<unknown> {
    const address = `${this.url}/api/v1/${what}`;
    let response: Response;
    try {
      response = await fetch(address, {
        method: what === "alerts" ? "GET" : "POST",
        ...(what === "alerts" ? {} : { body: new URLSearchParams(parameters) }),
        signal: AbortSignal.timeout(30_000),
      });
    } catch (error) {
      throw new UserError(
        `Prometheus does not answer at ${this.url}: ${messageOf(error)}`,
        "npm run status shows what runs; npm start starts it",
      );
    }
    const answer = answerSchema.parse(await response.json());
    if (answer.status === "success") return answer.data;
    throw new Error(`Prometheus refuses ${parameters.query ?? what}: ${answer.error ?? ""}`);
  }
}

export interface TimeRange {
  readonly start: number;
  readonly end: number;
  readonly step: number;
}

export interface Series {
  readonly labels: Readonly<Record<string, string>>;
  readonly values: readonly (readonly [time: number, value: number])[];
}

export type ActiveAlert = z.output<typeof alertsSchema>["alerts"][number];

const answerSchema = z.object({ status: z.string(), data: z.unknown(), error: z.string().optional() });
const labelsSchema = z.record(z.string(), z.string());
const rangeSchema = z.object({
  result: z.array(z.object({ metric: labelsSchema, values: z.array(z.tuple([z.number(), z.string()])) })),
});
const alertsSchema = z.object({
  alerts: z.array(
    z.object({
      state: z.enum(["firing", "pending", "inactive"]),
      labels: labelsSchema,
      annotations: labelsSchema,
    }),
  ),
});
