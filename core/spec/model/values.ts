import * as z from "zod";

/** Values that several sections of a model spec share. */

/** A 64-bit whole number of the proto, as far as JavaScript and JSON keep it exact (2^53 - 1). */
export const int64 = z.int();

/** Names to texts, as in model_config.proto's `map<string, string>`. */
export const textMap = z.record(z.string(), z.string());

/** A path that stays below the folder it is meant in. */
export const relativePath = z
  .string()
  .regex(
    /^(?!\/)(?!(.*\/)?\.\.(\/|$))[^\0\n]+$/,
    "this is no path inside the model's folder: write it without a leading / and without ..",
  );
