import { readFileSync } from "node:fs";
import path from "node:path";
import protobuf from "protobufjs";

/**
 * Triton's own definition of ModelConfig. proto/model_config.proto is triton-inference-server/common's
 * `protobuf/model_config.proto` of release 26.07, unchanged.
 */

let loaded: protobuf.Type | undefined;

/** Read when it is first needed: most programs that load a spec print a config, but not all. */
export function modelConfigType(): protobuf.Type {
  loaded ??= protobuf
    .parse(readFileSync(path.join(import.meta.dirname, "proto", "model_config.proto"), "utf8"))
    .root.resolveAll()
    .lookupType("inference.ModelConfig");
  return loaded;
}

/** A field's name as config.pbtxt has it: `maxBatchSize` is `max_batch_size`. */
export function textName(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
