import { forwardedHeaders } from "../haproxy/access.ts";
import type { ServerPlan } from "../platform.ts";
import type { Bytes } from "../spec/units.ts";
import { isAtLeast, type Release } from "./releases.ts";

/** Where one tritonserver listens and reads, as flags need it. */
export interface ServerPlace {
  readonly address: string;
  readonly httpPort: number;
  readonly grpcPort: number;
  readonly metricsPort: number;
  /** Folder or URI of the model repository. */
  readonly repository: string;
  /** Seconds that calls have to end after the stop signal. Default: the budget's, where a drain came before it. */
  readonly exitTimeout?: number;
  /** What an input over HTTP may have; only for releases that know the flag. Default: Triton's own. */
  readonly maxInputSize?: Bytes;
}

/**
 * Quantiles of every summary, each with the error it may have. How many calls were slower than an objective is read from
 * them (core/monitoring/recording.ts): a step at 20, 10, 5, 2 and 1 of 100 is less than twice the one below each rate at
 * which an error budget burns too fast.
 */
export const summaryQuantiles: readonly (readonly [quantile: number, error: number])[] = [
  [0.5, 0.05],
  [0.8, 0.02],
  [0.9, 0.01],
  [0.95, 0.01],
  [0.98, 0.002],
  [0.99, 0.001],
];

/**
 * The flags of one tritonserver of a group. Models are loaded at the start and never while running
 * (`--model-control-mode=none`): polling unloads models on half-finished syncs and expired credentials.
 * Source: triton-inference-server/server `src/command_line_parser.cc`.
 */
export function serverFlags(plan: ServerPlan, place: ServerPlace): string[] {
  const forwarded = `(?i)(${Object.values(forwardedHeaders).join("|")})`;
  return [
    `--model-repository=${place.repository}`,
    "--model-control-mode=none",
    "--disable-auto-complete-config",
    `--http-address=${place.address}`,
    `--http-port=${String(place.httpPort)}`,
    `--http-header-forward-pattern=${forwarded}`,
    ...(place.maxInputSize === undefined ? [] : [`--http-max-input-size=${String(place.maxInputSize)}`]),
    `--grpc-address=${place.address}`,
    `--grpc-port=${String(place.grpcPort)}`,
    `--grpc-header-forward-pattern=${forwarded}`,
    `--metrics-address=${place.address}`,
    `--metrics-port=${String(place.metricsPort)}`,
    // Percentiles are only to be had as summaries; a histogram of the whole request does not exist.
    "--metrics-config=summary_latencies=true",
    `--metrics-config=summary_quantiles=${summaryQuantiles.map((pair) => pair.join(":")).join(",")}`,
    `--exit-timeout-secs=${String(place.exitTimeout ?? plan.timing.exit)}`,
    ...(plan.responseCache === undefined ? [] : [`--cache-config=local,size=${String(plan.responseCache)}`]),
  ];
}

/**
 * What `--http-max-input-size` is to be where the balancer lets bodies of this size through; undefined for Triton's own.
 * Only above Triton's own 64 MiB: the flag counts tensors, which from JSON are up to four times their text. Source:
 * server `src/common.h`, HTTP_DEFAULT_MAX_INPUT_SIZE, from release 25.06 on.
 */
export function maxInputSize(release: Release, maxBodySize: Bytes): Bytes | undefined {
  return isAtLeast(release, "25.06") && maxBodySize > 64 * 1024 ** 2 ? maxBodySize : undefined;
}
