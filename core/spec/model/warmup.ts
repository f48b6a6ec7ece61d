import * as z from "zod";
import { dataType, dimension } from "./tensors.ts";
import { relativePath } from "./values.ts";

/** Requests run before a model is ready. Source: model_config.proto, message ModelWarmup. */

const warmupInput = z
  .strictObject({
    data: z
      .enum(["zero", "random"])
      .optional()
      .describe("Made-up data; zeros of STRING are empty. Default: zero"),
    inputDataFile: relativePath
      .optional()
      .describe("Raw bytes in row-major order, a file in the model's warmup/"),
    dataType: dataType.optional().describe("Type of the data. Default: the input's own"),
    dims: z.array(dimension).optional().describe("Concrete shape of one row. Default: the input's own"),
  })
  .refine(({ data, inputDataFile }) => data === undefined || inputDataFile === undefined, {
    error: "data and inputDataFile exclude each other: keep one of them",
  });

export const warmupSample = z.strictObject({
  name: z.string().optional().describe("For the log. Default: `batch` and the size"),
  batchSize: z.uint32().describe("Rows of the request; the data is repeated. Triton skips a sample of 0"),
  count: z.uint32().default(0).describe("How often this sample is run; 0 is once"),
  inputs: z
    .record(z.string(), warmupInput)
    .default({})
    .describe("Per input; an input left out is zeros of its own shape, one that is optional is not sent"),
});
