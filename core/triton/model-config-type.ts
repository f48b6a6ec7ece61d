import protobuf from "protobufjs/light.js";
import definitions from "./proto/model_config.json" with { type: "json" };

/**
 * Triton's own definition of ModelConfig. proto/model_config.proto is triton-inference-server/common's
 * `protobuf/model_config.proto` of release 26.07, unchanged; model_config.json is what protobufjs reads in it
 * (`npm run schema`), so that no program parses two thousand lines before it begins.
 */

let loaded: protobuf.Type | undefined;

/** Read when it is first needed: most programs that load a spec print a config, but not all. */
export function modelConfigType(): protobuf.Type {
  loaded ??= protobuf.Root.fromJSON(definitions).resolveAll().lookupType("inference.ModelConfig");
  return loaded;
}

/** A field's name as config.pbtxt has it: `maxBatchSize` is `max_batch_size`. */
export function textName(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
