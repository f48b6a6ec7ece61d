import { isFree } from "../../components/local/ports.ts";
import { UserError } from "../setup/user-error.ts";

/** Ports for one platform of the benchmark and what runs beside it. */
export interface BenchPorts {
  /** As `triton-platform:local` takes them. */
  readonly platform: {
    readonly httpPort: number;
    readonly grpcPort: number;
    readonly metricsPort: number;
    readonly prometheusPort: number;
    readonly simulatorPort: number;
    readonly serverGrpcPorts: number;
    readonly replicaPorts: number;
  };
  /** HTTP; gRPC is the next one. */
  readonly nginx: number;
}

/** Enough for two servers. */
export const blockSize = 100;

/** Below what Linux gives to outgoing connections (32768 on), which would take a port away between look and use. */
const first = 20_000;
const last = 32_000;
const blocks = (last - first) / blockSize;

export function portsFrom(base: number): BenchPorts {
  return {
    platform: {
      httpPort: base,
      grpcPort: base + 1,
      metricsPort: base + 2,
      prometheusPort: base + 3,
      simulatorPort: base + 4,
      serverGrpcPorts: base + 10,
      replicaPorts: base + 20,
    },
    nginx: base + 5,
  };
}

/** The first port of a block that is free as a whole. Two benchmarks that look at the same time begin apart. */
export async function findFreeBlock(
  free: (port: number) => Promise<boolean> = isFree,
  begin = Math.floor(Math.random() * blocks),
): Promise<number> {
  for (let i = 0; i < blocks; i++) {
    const base = first + ((begin + i) % blocks) * blockSize;
    const block = Array.from({ length: blockSize }, (_, offset) => base + offset);
    const all = await Promise.all(block.map((port) => free(port)));
    if (all.every(Boolean)) return base;
  }
  throw new UserError(
    `There are no ${String(blockSize)} free ports in a row between ${String(first)} and ${String(last)}`,
    "stop what listens there (ss -ltn shows it)",
  );
}
