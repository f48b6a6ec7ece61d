import { chmodSync, existsSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { missingClusterPackages } from "./cluster.ts";
import { findProgram } from "./find-program.ts";
import { isSystemPython, minorOf, type Interpreter } from "./interpreter.ts";
import { missingPrograms } from "./programs.ts";
import { askProgram, runProgram, type Report } from "./run-program.ts";
import { missingTestPackages } from "./test-programs.ts";
import { UserError } from "./user-error.ts";

/** What a setup found on the system, as far as Debian's packages can mend it. */
export interface Found {
  readonly missingPrograms: readonly string[];
  readonly missingClusterPackages: readonly string[];
  readonly missingTestPackages: readonly string[];
  /** Undefined where no Python is needed. */
  readonly interpreter:
    | Pick<Interpreter, "executable" | "version" | "hasEnsurepip" | "hasSharedLibrary" | "torchFolder">
    | undefined;
  /** Whether the environment exists already, and with it pip. */
  readonly hasEnvironment: boolean;
  readonly hasTorchInEnvironment: boolean;
}

/** Which of its users need what. */
export interface Wanted {
  readonly python: boolean;
  readonly triton: boolean;
  readonly programs: boolean;
  readonly cluster: boolean;
  readonly testPrograms: boolean;
}

/** The Debian packages whose programs and libraries are missing, sorted. */
export function missingPackages(wanted: Wanted, found: Found): readonly string[] {
  const packages = new Set<string>();
  if (wanted.programs) for (const program of found.missingPrograms) packages.add(packageOf(program));
  if (wanted.cluster) for (const name of found.missingClusterPackages) packages.add(name);
  if (wanted.testPrograms) for (const name of found.missingTestPackages) packages.add(name);
  const { interpreter } = found;
  if (interpreter !== undefined && isSystemPython(interpreter)) {
    const minor = minorOf(interpreter.version);
    if (wanted.python && !interpreter.hasEnsurepip && !found.hasEnvironment)
      packages.add(`python${minor}-venv`);
    if (wanted.triton && !interpreter.hasSharedLibrary) packages.add(`libpython${minor}`);
    if (wanted.triton && interpreter.torchFolder === undefined && !found.hasTorchInEnvironment)
      packages.add("python3-torch");
  }
  return [...packages].sort();
}

function packageOf(program: string): string {
  return program === "promtool" ? "prometheus" : program;
}

export function lookAround(interpreter: Interpreter | undefined, sitePackages: string | undefined): Found {
  return {
    missingPrograms: missingPrograms(),
    missingClusterPackages: missingClusterPackages(),
    missingTestPackages: missingTestPackages(),
    interpreter,
    hasEnvironment: sitePackages !== undefined && existsSync(sitePackages),
    hasTorchInEnvironment: sitePackages !== undefined && existsSync(path.join(sitePackages, "torch")),
  };
}

/** How this process may install packages. */
export type Installer = "apt" | "apt-without-root" | "none";

export function thisInstaller(): Installer {
  if (findProgram("apt-get") === undefined) return "none";
  return process.getuid?.() === 0 ? "apt" : "apt-without-root";
}

export function installCommand(packages: readonly string[]): string {
  return `apt-get install --no-install-recommends ${packages.join(" ")}`;
}

/** What to tell a user for whom the packages cannot be installed; undefined where they can. */
export function installerProblem(installer: Installer, packages: readonly string[]): UserError | undefined {
  if (installer === "apt") return undefined;
  const message = `Debian package${packages.length === 1 ? "" : "s"} missing: ${packages.join(", ")}`;
  if (installer === "apt-without-root") {
    return new UserError(message, `run \`sudo ${installCommand(packages)}\`, then the same command again`);
  }
  return new UserError(
    `Missing on this system, named as Debian's packages: ${packages.join(", ")}`,
    "install what they hold with your package manager, then run the same command again",
  );
}

export function declinedInstallation(packages: readonly string[]): UserError {
  return new UserError(
    `Needed and not installed: ${packages.join(", ")}`,
    `run \`${installCommand(packages)}\` yourself, or answer yes`,
  );
}

/**
 * systemd's units of the packages that start a daemon of their own; the project runs the programs itself, on its own
 * ports and sockets.
 */
const daemons: ReadonlyMap<string, readonly string[]> = new Map([
  ["containerd", ["containerd"]],
  ["docker-registry", ["docker-registry"]],
  ["docker.io", ["docker", "docker.socket"]],
  ["haproxy", ["haproxy"]],
  ["prometheus", ["prometheus"]],
]);

/** Installs packages with apt-get, as root, without their daemons being started now or enabled for the next boot. */
export async function installPackages(packages: readonly string[], report: Report): Promise<void> {
  const env = { DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C.UTF-8" };
  const wait = [
    "-o",
    "DPkg::Lock::Timeout=120",
    "-o",
    "Acquire::Retries=2",
    "-o",
    "Acquire::http::Timeout=30",
  ];
  const onLine = (line: string): void => {
    if (/^(Get|Unpacking|Setting up)/.test(line)) report(line);
  };
  report("apt-get update");
  const update = await runProgram({
    command: "apt-get",
    args: ["update", ...wait],
    failure: "apt-get update failed",
    hint: "mend what apt reports (mirrors, proxy, network)",
    env,
    onLine,
  }).catch((error: unknown) => error);

  const starting = packages.flatMap((name) => daemons.get(name) ?? []);
  const release = starting.length === 0 ? undefined : holdServices(starting);
  try {
    await runProgram({
      command: "apt-get",
      args: ["install", "--yes", "--no-install-recommends", ...wait, ...packages],
      failure: `apt-get could not install ${packages.join(" ")}`,
      hint: `run \`${installCommand(packages)}\` by hand, mend what it reports, then run the same command again`,
      env,
      onLine,
    });
  } catch (error) {
    // A stale list of packages is often the reason, and one broken mirror no reason to stop before.
    if (update instanceof UserError && error instanceof UserError) {
      throw new UserError(`${update.message}\n${error.message}`, error.hint, { cause: error });
    }
    throw error;
  } finally {
    release?.();
  }
  if (existsSync("/run/systemd/system")) {
    for (const unit of starting) await askProgram("systemctl", ["disable", "--quiet", unit]);
  }
}

const systemPolicy = "/usr/sbin/policy-rc.d";

/**
 * Debian's packages ask /usr/sbin/policy-rc.d whether they may start their services. A policy that is there already
 * is kept and still asked about every other service. Returns what undoes it.
 */
export function holdServices(services: readonly string[], policyFile = systemPolicy): () => void {
  const before = path.join(path.dirname(policyFile), `.policy-rc.d.${String(process.pid)}`);
  const had = existsSync(policyFile);
  const undo = (): void => {
    process.off("exit", undo);
    if (had) renameSync(before, policyFile);
    else rmSync(policyFile, { force: true });
  };
  if (had) renameSync(policyFile, before);
  process.on("exit", undo);
  writeFileSync(policyFile, policyScript(services, process.pid, had ? before : undefined));
  chmodSync(policyFile, 0o755);
  return undo;
}

/** A policy that says no (101) for the services, and nothing once the process that wrote it is gone. */
export function policyScript(services: readonly string[], pid: number, before: string | undefined): string {
  const names = services.flatMap((name) => [name, `${name}.service`]).join("|");
  return `#!/bin/sh
# Written by triton-platform while it installs packages, and removed afterwards.
if kill -0 ${String(pid)} 2>/dev/null; then
  for argument in "$@"; do
    case "$argument" in ${names}) exit 101 ;; esac
  done
fi
${before === undefined ? "exit 0" : `exec ${before} "$@"`}
`;
}
