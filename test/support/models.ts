import { createHash } from "node:crypto";
import type * as z from "zod";
import type { Artifact } from "../../core/spec/artifacts.ts";
import type { Model } from "../../core/spec/load.ts";
import { modelSchema, type ModelSpec } from "../../core/spec/model.ts";
import type { DataType } from "../../core/spec/model/tensors.ts";
import { platformSchema, type PlatformConfig } from "../../core/spec/platform.ts";
import { defaultArtifact } from "../../core/triton/backends.ts";

/** Small valid models and platforms; a test writes only the fields it is about, as a team would in YAML. */

export type SpecFields = Partial<z.input<typeof modelSchema>>;
export type PlatformFields = Partial<z.input<typeof platformSchema>>;

/** One row of four floats: the tensor of every model that does not say otherwise. */
export const x: Tensor = { name: "x", dataType: "FP32", dims: [4] };
export const y: Tensor = { name: "y", dataType: "FP32", dims: [4] };

interface Tensor {
  readonly name: string;
  readonly dataType: DataType;
  /** As in the schema's own type, not readonly. */
  dims: number[];
}

export function specOf(name: string, fields: SpecFields = {}): ModelSpec {
  const backend = fields.ensemble === undefined ? { backend: "python" as const } : {};
  return {
    ...modelSchema.parse({ ...backend, maxBatchSize: 8, inputs: [x], outputs: [y], ...fields }),
    name,
  };
}

/** A model in memory. Its files are those its backend wants, where `paths` does not name others. */
export function modelOf(name: string, fields: SpecFields = {}, paths?: readonly string[]): Model {
  const spec = specOf(name, fields);
  return modelWith(
    spec,
    paths ?? (spec.backend === undefined ? [] : [`1/${defaultArtifact(spec.backend) ?? "model"}`]),
  );
}

export function modelWith(spec: ModelSpec, paths: readonly string[]): Model {
  return {
    spec,
    directory: `/models/${spec.name}`,
    file: `models/${spec.name}/model.yaml`,
    artifacts: {
      files: paths.map((path) => artifactOf(path)),
      unlocked: [],
      missing: [],
      sources: new Map(),
    },
    companions: [],
  };
}

/** A file that is told apart by its content's identity alone. */
export function artifactOf(path: string, content = path): Artifact {
  return {
    path,
    bytes: Buffer.byteLength(content),
    sha256: createHash("sha256").update(content).digest("hex"),
  };
}

export function platformOf(fields: PlatformFields = {}): PlatformConfig {
  return platformSchema.parse({
    target: "local",
    servers: { gpu: {} },
    defaultServer: "gpu",
    holysheep: { baseUrl: "https://api.example.com/v1", model: "some-model" },
    ...fields,
  });
}
