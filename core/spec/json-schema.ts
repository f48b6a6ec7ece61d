import * as z from "zod";
import type { JsonSchema } from "./known-keys.ts";
import { modelSchema } from "./model.ts";
import { sequenceBatching } from "./model/scheduling.ts";
import { dataType, dimension } from "./model/tensors.ts";
import { relativePath } from "./model/values.ts";
import { warmupSample } from "./model/warmup.ts";

/**
 * JSON Schema of a `model.yaml`, as editors check and complete it while it is written. Draft 7, the newest that both
 * yaml-language-server and JetBrains' editors read in full.
 */
export function modelJsonSchema(): JsonSchema {
  return z.toJSONSchema(modelSchema.meta({ title: "model.yaml" }), {
    io: "input",
    target: "draft-07",
    override: ({ zodSchema, jsonSchema, path }) => {
      if (zodSchema._zod.def.type === "default") {
        // A default is a value of the program: 60000000, where a team writes 1m.
        const { innerType, defaultValue } = zodSchema._zod.def;
        jsonSchema.default = z.encode(innerType, defaultValue);
      }
      const more = said.get(zodSchema);
      if (more === undefined && isUnsaid(zodSchema)) {
        throw new Error(
          `A rule of the model schema is in code only; say it in JSON Schema: ${path.join(".")}`,
        );
      }
      Object.assign(jsonSchema, more);
    },
  });
}

/** What zod has no words for, or checks with code, as JSON Schema says it. */
const said = new Map<z.core.$ZodType, JsonSchema>([
  [dataType, { title: "data type" }],
  [dimension, { not: { const: 0 } }],
  [sequenceBatching, { not: { required: ["direct", "oldest"] } }],
  [warmupSample.shape.inputs.unwrap().valueType, { not: { required: ["data", "inputDataFile"] } }],
  // Patterns have no flags here: [\s\S] is what a dot is under the flag s.
  [relativePath, { title: "path" }],
]);

function isUnsaid(schema: z.core.$ZodType): boolean {
  return (schema._zod.def.checks ?? []).some(({ _zod: { def } }) => def.check === "custom");
}
