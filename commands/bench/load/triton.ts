import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import * as z from "zod";
import type { ServedModel } from "../../../core/benchmark/load-plan.ts";
import { UserError } from "../../setup/user-error.ts";
import { certificateHint } from "../../stack/access.ts";
import type { StackEndpoint } from "../../stack/endpoint.ts";
import type { Replica } from "./replicas.ts";

/** What a Triton says of itself: behind its balancer, or one replica from inside its container. */

const timeoutMs = 10_000;

const serverSchema = z.object({ version: z.string() });
const configSchema = z.object({
  instance_group: z
    .array(
      z.object({
        kind: z.string().default(""),
        count: z.number().default(1),
        gpus: z.array(z.number()).default([]),
      }),
    )
    .default([]),
});

/** The JSON of a path of KServe v2. */
export type Ask = (path: string) => Promise<unknown>;

export function askReplica({ get }: Replica): Ask {
  return async (path) => parseJson(await get("http", path));
}

function parseJson(text: string): unknown {
  return JSON.parse(text);
}

export async function tritonVersion(ask: Ask): Promise<string> {
  return serverSchema.parse(await ask("/v2")).version;
}

/** Instances of a model on one replica, as Triton runs it. An ensemble has none of its own: 1. Throws where it is not ready. */
export async function instancesOf(ask: Ask, { spec }: Pick<ServedModel, "spec">): Promise<number> {
  const groups = configSchema.parse(await ask(`/v2/models/${spec.name}/config`)).instance_group;
  const count = groups.reduce(
    (sum, group) => sum + group.count * (group.kind === "KIND_GPU" ? Math.max(1, group.gpus.length) : 1),
    0,
  );
  return Math.max(1, count);
}

/** As far as the spec alone says: on one device. */
export function plannedInstances({ spec }: ServedModel): number {
  return Math.max(
    1,
    (spec.instances ?? []).reduce((sum, { count = 1 }) => sum + count, 0),
  );
}

/** By Node's own client: it verifies a certificate by the authorities that the user names, which fetch cannot. */
export function askBalancer(endpoint: StackEndpoint): Ask {
  return async (path) => {
    const url = `${endpoint.http}${path}`;
    const { status, text } = await get(url, endpoint);
    if (status === 200) return parseJson(text);
    throw new UserError(
      `${url} answers ${String(status)}: ${text.trim().slice(0, 200)}`,
      status === 401
        ? "give a key that the balancer knows: --api-key-file"
        : "see that the model is ready (npm run status)",
    );
  };
}

function get(
  url: string,
  { tls: { ca, certificate, key }, apiKey }: StackEndpoint,
): Promise<{ readonly status: number; readonly text: string }> {
  const options = {
    timeout: timeoutMs,
    ...(ca === undefined ? {} : { ca: readFileSync(ca) }),
    ...(certificate === undefined || key === undefined
      ? {}
      : { cert: readFileSync(certificate), key: readFileSync(key) }),
    ...(apiKey === undefined ? {} : { headers: { "x-api-key": apiKey } }),
  };
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => {
      reject(
        new UserError(
          `${url} cannot be called: ${error.message}`,
          /certificate/i.test(error.message)
            ? certificateHint
            : "see that it is up, and that this machine reaches it",
        ),
      );
    };
    const client = url.startsWith("https:") ? https : http;
    const request = client.get(url, options, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => (text += chunk));
      response.on("error", fail);
      response.on("end", () => {
        resolve({ status: response.statusCode ?? 0, text });
      });
    });
    request.on("timeout", () => request.destroy(new Error(`no answer for ${String(timeoutMs / 1000)} s`)));
    request.on("error", fail);
  });
}
