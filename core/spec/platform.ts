import { z } from "zod";
import { compare } from "./artifacts.ts";
import { parseValue, type Parsed } from "./parse.ts";
import { size } from "./units.ts";

/** What a stack's config says about the platform, apart from secrets. */

const port = z.int().min(1).max(65535);

/** A server group: the unit of deployment. Its models run together on each of its replicas. */
const serverSchema = z.strictObject({
  /** Models of this group. The default server may leave it out: it serves every model that no group lists. */
  models: z.array(z.string().min(1)).min(1).optional(),
  /** Tritons that serve this group behind the balancer. */
  replicas: z.int().min(1).max(100).default(1),
  /** Memory for Triton's response cache; needed by models with `responseCache: true`. */
  responseCache: size.optional(),
});

const localSchema = z.strictObject({
  /** Where state, logs, sockets and repositories of this machine go; relative to the project. */
  directory: z.string().min(1).default(".local"),
  /** The balancer's HTTP port. */
  httpPort: port.default(8000),
  /** The balancer's gRPC port; the server group is chosen by the metadata `x-triton-server`. */
  grpcPort: port.default(8001),
  /** The balancer's statistics (/stats) and metrics (/metrics). */
  metricsPort: port.default(8002),
  prometheusPort: port.default(9090),
  /** First of the balancer's gRPC ports that lead to one server group each, sorted by name. */
  serverGrpcPorts: port.default(8010),
  /** First of the ports of the Tritons: 30 for each server, of which a replica takes three (HTTP, gRPC, metrics). */
  replicaPorts: port.default(18000),
  /** The LLM simulator that stands in for HolySheep while there is no key. */
  simulatorPort: port.default(18900),
});

const holysheepSchema = z.strictObject({
  /** OpenAI-compatible API, up to and including its version. */
  baseUrl: z.url({
    protocol: /^https?$/,
    error: "this is no URL: write it like https://api.holysheep.ai/v1",
  }),
  model: z.string().min(1),
  /** A secret; known here so that it can be misspelt, and never part of what is read. */
  apiKey: z
    .unknown()
    .optional()
    .transform(() => undefined),
});

export const targets = ["local"] as const;

export const platformSchema = z.strictObject({
  target: z.enum(targets),
  /** Folder with one folder per model, relative to the project. */
  models: z.string().min(1).default("models"),
  servers: z
    .record(
      z
        .string()
        .regex(
          /^[a-z]([a-z0-9-]*[a-z0-9])?$/,
          "this is no name for a server: use lower-case letters, digits and -",
        ),
      serverSchema,
    )
    .refine(
      (servers) => Object.keys(servers).length > 0,
      "there is no server: add one, like `gpu: { replicas: 2 }`",
    ),
  /** The server that answers calls that name no model, and serves every model no other server lists. */
  defaultServer: z.string().min(1),
  local: localSchema.prefault({}),
  holysheep: holysheepSchema,
});

export type PlatformConfig = Readonly<z.output<typeof platformSchema>>;
export type LocalConfig = PlatformConfig["local"];
/** Fields a server group may have in a stack's config. */
export type ServerConfig = PlatformConfig["servers"][string];

/**
 * Reads the platform's config from a stack's: plain values by `namespace:key`. Servers come sorted by name, whatever
 * the order they were written or delivered in. `file` names the stack's file in problems.
 */
export function parsePlatform(
  values: Readonly<Record<string, unknown>>,
  file: string,
): Parsed<PlatformConfig> {
  const section = (namespace: string): Record<string, unknown> =>
    Object.fromEntries(
      Object.entries(values).flatMap(([key, value]) =>
        key.startsWith(`${namespace}:`) ? [[key.slice(namespace.length + 1), value]] : [],
      ),
    );
  const document = { ...section("triton-platform"), holysheep: section("holysheep") };
  const parsed = parseValue(platformSchema, document, file);
  if ("problems" in parsed) {
    return { problems: parsed.problems.map((problem) => ({ ...problem, path: configKey(problem.path) })) };
  }
  const servers = Object.entries(parsed.value.servers).sort(([a], [b]) => compare(a, b));
  return { value: { ...parsed.value, servers: Object.fromEntries(servers) } };
}

/** `servers.gpu` as the stack's file has it: `triton-platform:servers.gpu`; `holysheep.model` as `holysheep:model`. */
function configKey(path: string): string {
  return path.startsWith("holysheep.") ? path.replace(".", ":") : `triton-platform:${path}`;
}
