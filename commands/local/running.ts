import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import * as z from "zod";
import { descriptionFile, runtimeDirectory, type LocalDescription } from "../../core/local/plan.ts";
import { placesIn, projectRoot } from "../setup/places.ts";
import { openHome, readLocalConfig } from "./home.ts";

/** The platform that was last brought up on this machine; undefined where there is none. */
export interface Running {
  readonly directory: string;
  /** Folder with supervisorctl. */
  readonly bin: string;
  readonly description: LocalDescription;
}

const descriptionSchema: z.ZodType<LocalDescription> = z.object({
  endpoints: z.object({
    http: z.string(),
    grpc: z.string(),
    metrics: z.string(),
    prometheus: z.string(),
    grafana: z.string().exactOptional(),
  }),
  servers: z.array(
    z.object({
      name: z.string(),
      grpc: z.string(),
      repositoryHash: z.string(),
      replicas: z.array(z.object({ name: z.string(), http: z.string() })),
      models: z.array(z.object({ name: z.string(), versions: z.array(z.number()) })),
    }),
  ),
});

export function findRunning(): Running | undefined {
  const { config } = readLocalConfig(openHome());
  const directory = runtimeDirectory({ config, project: projectRoot });
  const file = descriptionFile(directory);
  if (!existsSync(file)) return undefined;
  return {
    directory,
    bin: path.join(placesIn(projectRoot).venv, "bin"),
    description: descriptionSchema.parse(JSON.parse(readFileSync(file, "utf8"))),
  };
}
