import path from "node:path";
import type { LocalDescription } from "../../core/local/plan.ts";
import { loadModels } from "../../core/spec/load.ts";
import { smokeInputs } from "../local/smoke.ts";
import { projectRoot } from "../setup/places.ts";

/** Where the Tritons of one server group answer. */
export interface Straight {
  /** Base URLs. */
  readonly http: readonly string[];
  /** `host:port`, in the same order. */
  readonly grpc: readonly string[];
}

export function straightTo({ servers }: LocalDescription, server: string): Straight {
  const replicas = servers.find(({ name }) => name === server)?.replicas ?? [];
  const http = replicas.map((replica) => replica.http);
  return { http, grpc: http.map(grpcBeside) };
}

/** The group that serves a model. */
export function serverOf({ servers }: LocalDescription, model: string): string {
  const found = servers.find(({ models }) => models.some(({ name }) => name === model));
  if (found === undefined) throw new Error(`no server serves ${model}`);
  return found.name;
}

/** A replica's gRPC port follows its HTTP port. */
function grpcBeside(http: string): string {
  const { hostname, port } = new URL(http);
  return `${hostname}:${String(Number(port) + 1)}`;
}

/** One row of plain values for every input of a model of this project. */
export function inputsOf(model: string): object[] {
  const found = loadModels(path.join(projectRoot, "models")).value.find(({ spec }) => spec.name === model);
  if (found === undefined) throw new Error(`the project has no model ${model}`);
  return smokeInputs(found.spec);
}

export function inferUrl(base: string, model: string): string {
  return `${base}/v2/models/${model}/infer`;
}
