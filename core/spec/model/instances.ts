import * as z from "zod";
import { int64 } from "./values.ts";

/** Where a model runs and how often. Source: model_config.proto, messages ModelInstanceGroup and ModelRateLimiter. */

const rateLimiter = z.strictObject({
  resources: z
    .array(
      z.strictObject({
        name: z.string().describe("Any name; instances that ask for the same one share it"),
        global: z
          .boolean()
          .default(false)
          .describe("Whether all devices share it, instead of each having its own"),
        count: z.uint32().default(0).describe("How much of it one execution takes"),
      }),
    )
    .default([])
    .describe("What must be free before the instance runs (server flag --rate-limit=execution_count)"),
  priority: z
    .uint32()
    .default(0)
    .describe("Weight: an instance of priority 2 runs half as often as one of 1"),
});

export const instanceGroup = z.strictObject({
  name: z
    .string()
    .min(1)
    .optional()
    .describe("For the log. Default: the model's name and the group's number"),
  kind: z
    .enum(["auto", "gpu", "cpu", "model"])
    .describe("gpu, cpu; auto: GPU where there is one; model: the model or backend decides"),
  count: z
    .int32()
    .min(1)
    .optional()
    .describe(
      "Instances on each device (gpu) or in all. Default: 1; onnxruntime and tensorflow on the CPU 2",
    ),
  gpus: z
    .array(z.int32().min(0))
    .min(1)
    .optional()
    .describe("CUDA device numbers inside the server. Default: every visible one"),
  rateLimiter: rateLimiter.optional().describe("Resources and priority under Triton's rate limiter"),
  profiles: z.array(z.string()).optional().describe("TensorRT optimisation profiles this group may use"),
  secondaryDevices: z
    .array(
      z.strictObject({
        kind: z.enum(["nvdla"]).describe("NVIDIA's deep learning accelerator"),
        deviceId: int64.default(0).describe("The core's number"),
      }),
    )
    .optional()
    .describe("DLA cores, TensorRT only"),
  hostPolicy: z
    .string()
    .min(1)
    .optional()
    .describe("Name of a server's --host-policy (NUMA node, CPU cores)"),
  passive: z.boolean().default(false).describe("Whether the group is loaded but given no requests"),
});
