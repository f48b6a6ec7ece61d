import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import * as z from "zod";
import { minorOf, type Interpreter } from "./interpreter.ts";
import type { Places } from "./places.ts";
import { runProgram, type Report } from "./run-program.ts";
import { forgetState, readState, writeState } from "./state.ts";

/** The project's virtual environment, holding what requirements.txt pins. */
export interface Python {
  /** Absolute path of the environment's interpreter. */
  readonly executable: string;
  /** As in `3.11`. */
  readonly minor: string;
  /** The environment's programs: to be first on PATH. */
  readonly bin: string;
  readonly sitePackages: string;
}

const stateSchema = z.object({ requirements: z.string(), minor: z.string(), interpreter: z.string() });

/** A `.pth` file adds its folder at the end of sys.path: whatever the environment holds itself wins. */
export const torchPathFile = "zz-torch.pth";

/** The environment, where it is what requirements.txt asks for; undefined where there is work to do. */
export function readyPython(places: Places): Python | undefined {
  const state = readState(places.pythonState, stateSchema);
  if (state?.requirements !== hashOf(places.requirements)) return undefined;
  const python = pythonIn(places, state.minor);
  // The environment's interpreter is a link: a removed base interpreter leaves it dangling.
  return existsSync(state.interpreter) && existsSync(python.executable) ? python : undefined;
}

/** Makes the environment, or brings an existing one up to date. An unfinished one is made anew. */
export async function preparePython(
  places: Places,
  interpreter: Interpreter,
  report: Report,
): Promise<Python> {
  const { executable, version } = interpreter;
  const earlier = readState(places.pythonState, stateSchema);
  const python = pythonIn(places, minorOf(version));
  forgetState(places.pythonState);
  forgetState(places.tritonState);
  // pip would take the packages of torch's folder for its own.
  rmSync(path.join(python.sitePackages, torchPathFile), { force: true });

  if (earlier?.interpreter !== executable || !existsSync(python.executable)) {
    report("creating the virtual environment");
    await runProgram({
      command: executable,
      args: ["-m", "venv", "--clear", places.venv],
      failure: `${executable} could not make a virtual environment in ${places.venv}`,
      hint: "install Python's venv module (on Debian and Ubuntu the package python3-venv), and look for free disk space",
      env: cleanPython,
    });
  }
  await installRequirements(places, python, report);
  writeState(places.pythonState, {
    requirements: hashOf(places.requirements),
    minor: minorOf(version),
    interpreter: executable,
  });
  return python;
}

/** The user's own settings for Python programs have no place in the project's environment. */
export const cleanPython = {
  PYTHONHOME: undefined,
  PYTHONPATH: undefined,
  PIP_TARGET: undefined,
  PIP_PREFIX: undefined,
  PIP_USER: undefined,
  PIP_REQUIRE_VIRTUALENV: undefined,
};

export const pipArguments = [
  "-m",
  "pip",
  "install",
  "--no-input",
  "--disable-pip-version-check",
  "--progress-bar=off",
  "--retries=2",
  "--only-binary=:all:",
] as const;

async function installRequirements(places: Places, python: Python, report: Report): Promise<void> {
  let packages = 0;
  await runProgram({
    command: python.executable,
    args: [...pipArguments, "--requirement", places.requirements],
    failure: "The Python packages of requirements.txt could not be installed",
    hint: "mend what pip reports (index, proxy, disk space), then run the same command again: what is downloaded is kept",
    env: cleanPython,
    onLine: (line) => {
      const collected = /^Collecting (\S+)/.exec(line);
      if (collected !== null) packages += 1;
      if (collected?.[1] !== undefined) report(`downloading ${collected[1]} (package ${String(packages)})`);
      if (line.startsWith("Installing collected packages")) report(`installing ${String(packages)} packages`);
    },
  });
}

/** Where the environment keeps, or will keep, the packages for an interpreter. */
export function sitePackagesIn(places: Places, { version }: Interpreter): string {
  return pythonIn(places, minorOf(version)).sitePackages;
}

function pythonIn({ venv }: Places, minor: string): Python {
  const bin = path.join(venv, "bin");
  return {
    executable: path.join(bin, "python"),
    minor,
    bin,
    sitePackages: path.join(venv, "lib", `python${minor}`, "site-packages"),
  };
}

function hashOf(file: string): string {
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}
