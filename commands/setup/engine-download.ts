import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { findProgram } from "./find-program.ts";
import type { Places } from "./places.ts";
import { runProgram, type Report } from "./run-program.ts";
import { UserError } from "./user-error.ts";

/** How an engine is fetched into `bin`, so that `bin/pulumi` is there only when it is complete. */
export interface Fetch {
  readonly version: string;
  readonly bin: string;
  readonly places: Places;
  readonly report: Report;
}

/** The names of Pulumi's own release files for a machine; undefined where there is no release for it. */
export function releaseFiles(
  version: string,
  { system, architecture }: { readonly system: string; readonly architecture: string },
): { readonly archive: string; readonly checksums: string } | undefined {
  if (!["linux", "darwin"].includes(system) || !["x64", "arm64"].includes(architecture)) return undefined;
  const folder = `https://github.com/pulumi/pulumi/releases/download/v${version}`;
  return {
    archive: `${folder}/pulumi-v${version}-${system}-${architecture}.tar.gz`,
    checksums: `${folder}/pulumi-${version}-checksums.txt`,
  };
}

/**
 * Downloads the release that npm's `pulumi` launcher and the Automation API download, to where they would put it. Both
 * run Pulumi's install script, whose curl waits without end for a network that drops packets; here Python, which
 * knows the machine's proxies and certificates, gives up soon and checks the release's sha256.
 */
export async function downloadEngine({ version, bin, report }: Fetch): Promise<void> {
  const files = releaseFiles(version, { system: process.platform, architecture: process.arch });
  if (files === undefined) {
    throw new UserError(
      `Pulumi has no release for ${process.platform} ${process.arch}`,
      "use another machine",
    );
  }
  const python = requirePython();
  mkdirSync(bin, { recursive: true });
  const folder = mkdtempSync(path.join(path.dirname(bin), ".download-"));
  try {
    report(`downloading pulumi ${version}`);
    await runProgram({
      command: python,
      args: [
        fileURLToPath(new URL("engine/download.py", import.meta.url)),
        files.archive,
        files.checksums,
        folder,
      ],
      failure: `pulumi ${version} could not be downloaded`,
      hint: "allow https://github.com, or set HTTPS_PROXY",
      onLine: report,
      silenceMs: 15_000,
    });
    installFiles(path.join(folder, "pulumi"), bin);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Any Python 3 does for fetching the engine; only Triton is particular. */
export function requirePython(): string {
  const python = findProgram("python3");
  if (python !== undefined) return python;
  throw new UserError("There is no python3 on PATH", "install Python 3");
}

/** Moves a release's programs to their place, `pulumi` last. */
export function installFiles(unpacked: string, bin: string): void {
  const source = existsSync(path.join(unpacked, "bin")) ? path.join(unpacked, "bin") : unpacked;
  const names = readdirSync(source).sort((a, b) => Number(a === "pulumi") - Number(b === "pulumi"));
  for (const name of names) renameSync(path.join(source, name), path.join(bin, name));
}
