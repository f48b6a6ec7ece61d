import process from "node:process";
import * as z from "zod";
import { compareVersions, parseVersion } from "./version.ts";
import { UserError } from "./user-error.ts";

export interface Platform {
  /** As Node names it: `linux`, `darwin`. */
  readonly system: string;
  /** As Node names it: `x64`, `arm64`. */
  readonly architecture: string;
  /** Version of the GNU C library; undefined on a system with another one. */
  readonly glibc: string | undefined;
}

/** What nvidia-pytriton's wheel is built for (its tag is manylinux_2_35_x86_64). */
const oldestGlibc = "2.35";

const reportSchema = z.object({ header: z.object({ glibcVersionRuntime: z.string().optional() }) });

export function thisPlatform(): Platform {
  const linux = process.platform === "linux";
  return {
    system: process.platform,
    architecture: process.arch,
    glibc: linux
      ? reportSchema.safeParse(process.report.getReport()).data?.header.glibcVersionRuntime
      : undefined,
  };
}

/** Why Triton cannot run on this machine itself; undefined where it can. */
export function platformProblem({ system, architecture, glibc }: Platform): string | undefined {
  if (system !== "linux" || architecture !== "x64") return `this machine is ${system} ${architecture}`;
  if (glibc === undefined) return "this Linux has another C library than glibc";
  const version = parseVersion(glibc);
  const oldest = parseVersion(oldestGlibc);
  if (version === undefined || oldest === undefined || compareVersions(version, oldest) >= 0)
    return undefined;
  return `this Linux has glibc ${glibc}`;
}

export function checkPlatform(platform: Platform): void {
  const problem = platformProblem(platform);
  if (problem === undefined) return;
  throw new UserError(
    `Triton runs on this machine itself only on x86-64 Linux with glibc ${oldestGlibc} or newer, and ${problem}`,
    "use the docker target, or another machine",
  );
}
