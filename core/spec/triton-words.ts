import { tritonNames } from "./reference.ts";

/** Words of config.pbtxt, for those who write them into a model.yaml. */

/**
 * The fields of a model.yaml, at a path inside it, that are there for a field of config.pbtxt: `instances` for
 * `instance_group`. Several where its parts are fields of their own here, none where the word is
 * not Triton's, or differs in its case only.
 */
export function ownKeysFor(word: string, path: readonly PropertyKey[]): string[] {
  return fieldNames.flatMap(([field, name]) => {
    const parts = field.replaceAll("[]", ".[]").split(".");
    const own = parts.pop() ?? "";
    return name.split(".").includes(word) && leads(parts, path) ? [own] : [];
  });
}

/** Fields and their names in the proto; of the two ways to make up data, the reference names the default one. */
const fieldNames: readonly (readonly [string, string])[] = [
  ...Object.entries(tritonNames),
  ["warmup[].inputs.*.data", "random_data"],
];

/** Whether a path is one of those that parts stand for, where `[]` is any index and `*` any key. */
function leads(parts: readonly string[], path: readonly PropertyKey[]): boolean {
  return (
    parts.length === path.length &&
    parts.every((part, i) => (part === "[]" ? typeof path[i] === "number" : part === "*" || part === path[i]))
  );
}

/** Data types that Triton's protocols and clients name otherwise than its configs. */
const otherNames: Readonly<Record<string, string>> = { BYTES: "STRING", TYPE_BYTES: "STRING" };

/** The one of several values that a value of an enum in config.pbtxt stands for: `gpu` for `KIND_GPU`. */
export function ownValueFor(word: string, values: readonly string[]): string | undefined {
  const known = otherNames[word];
  if (known !== undefined && values.includes(known)) return known;
  // The longest: BATCH_ACCUMULATED_ELEMENT_COUNT also ends in ELEMENT_COUNT.
  return values
    .filter((value) => word.endsWith(`_${value.toUpperCase()}`))
    .sort((a, b) => b.length - a.length)[0];
}
