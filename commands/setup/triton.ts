import { copyFileSync, chmodSync, existsSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import * as z from "zod";
import { isExecutable } from "./find-program.ts";
import type { Interpreter } from "./interpreter.ts";
import type { Places } from "./places.ts";
import { cleanPython, torchPathFile, type Python } from "./python.ts";
import { askProgram, runProgram, type Report } from "./run-program.ts";
import { readState, writeState } from "./state.ts";
import { UserError } from "./user-error.ts";

/** The Triton server of the nvidia-pytriton package, able to run Python models of the environment. */
export interface Triton {
  /** The folder with bin/tritonserver, backends/ and caches/. */
  readonly directory: string;
  /** Absolute path of tritonserver. */
  readonly executable: string;
  readonly python: Python;
  /** The value of LD_LIBRARY_PATH that the server and its Python stubs need. */
  readonly libraryPath: string;
  /** Version of the torch that the environment imports. */
  readonly torchVersion: string;
}

const stateSchema = z.object({
  libraryPath: z.string(),
  torchVersion: z.string(),
  /** The folder outside the environment that torch is imported from; null where it is in the environment. */
  torchFolder: z.string().nullable(),
});

export function readyTriton(places: Places, python: Python): Triton | undefined {
  const state = readState(places.tritonState, stateSchema);
  if (state === undefined || !isExecutable(stubOf(python))) return undefined;
  if (state.torchFolder !== null && !existsSync(path.join(state.torchFolder, "torch"))) return undefined;
  return { ...serverOf(python), python, libraryPath: state.libraryPath, torchVersion: state.torchVersion };
}

export async function prepareTriton(
  places: Places,
  python: Python,
  interpreter: Interpreter,
  report: Report,
): Promise<Triton> {
  const server = serverOf(python);
  if (!existsSync(server.executable)) {
    throw new UserError(
      `${server.executable} is missing: the Python environment is damaged`,
      `remove ${places.venv} and run the same command again`,
    );
  }
  report(`installing the stub for Python ${python.minor}`);
  installStub(python);
  const libraryPath = await findLibraries(python, interpreter);
  report("looking for torch");
  const torch = await prepareTorch(python, interpreter);
  writeState(places.tritonState, { libraryPath, torchVersion: torch.version, torchFolder: torch.folder });
  return { ...server, python, libraryPath, torchVersion: torch.version };
}

function serverOf({ sitePackages }: Python): { readonly directory: string; readonly executable: string } {
  const directory = path.join(sitePackages, "pytriton", "tritonserver");
  return { directory, executable: path.join(directory, "bin", "tritonserver") };
}

function stubOf(python: Python): string {
  return path.join(serverOf(python).directory, "backends", "python", "triton_python_backend_stub");
}

/** The Python backend starts the stub that lies beside it, whichever Python that is for. */
function installStub(python: Python): void {
  const { directory } = serverOf(python);
  const source = path.join(directory, "python_backend_stubs", python.minor, "triton_python_backend_stub");
  const stub = stubOf(python);
  mkdirSync(path.dirname(stub), { recursive: true });
  const copy = `${stub}.${String(process.pid)}`;
  copyFileSync(source, copy);
  chmodSync(copy, 0o755);
  renameSync(copy, stub);
}

/** The library path with which the dynamic linker finds everything that the stub links. */
async function findLibraries(python: Python, interpreter: Interpreter): Promise<string> {
  const own = path.join(serverOf(python).directory, "external_libs");
  const candidates =
    interpreter.libraryFolder === undefined ? [own] : [own, `${own}:${interpreter.libraryFolder}`];
  let missing: readonly string[] = [];
  for (const libraryPath of candidates) {
    const answer = await askProgram("ldd", [stubOf(python)], { env: { LD_LIBRARY_PATH: libraryPath } });
    missing = missingLibraries(answer ?? "");
    if (missing.length === 0) return libraryPath;
  }
  throw new UserError(
    `Triton's Python stub needs ${missing.join(", ")}, which this system does not have`,
    `install the shared library of Python ${python.minor} (on Debian and Ubuntu the package libpython${python.minor})`,
  );
}

/** The libraries that `ldd` names as not found, each once. */
export function missingLibraries(lddOutput: string): readonly string[] {
  const names = [...lddOutput.matchAll(/^\s*(\S+) => not found\s*$/gm)].flatMap(([, name]) => name ?? []);
  return [...new Set(names)];
}

interface Torch {
  readonly version: string;
  readonly folder: string | null;
}

/**
 * PyPI's torch is the CUDA build, gigabytes of it: the environment borrows the one that is installed. Torch is
 * compiled against numpy, so the check imports both, and numpy must be the environment's own.
 */
async function prepareTorch(python: Python, interpreter: Interpreter): Promise<Torch> {
  const inEnvironment = existsSync(path.join(python.sitePackages, "torch"));
  const folder = inEnvironment ? undefined : interpreter.torchFolder;
  if (!inEnvironment && folder === undefined) {
    throw new UserError(
      `There is no torch for ${interpreter.executable} (Python ${python.minor})`,
      `install a CPU build of torch into it with ${python.executable} -m pip install (pytorch.org says how), keeping numpy below 2`,
    );
  }
  if (folder !== undefined) writeFileSync(path.join(python.sitePackages, torchPathFile), `${folder}\n`);
  const check =
    "import numpy, torch; torch.from_numpy(numpy.zeros(1)); print(numpy.__file__); print(torch.__version__)";
  const answer = await runProgram({
    command: python.executable,
    args: ["-c", check],
    failure: `torch${folder === undefined ? "" : ` of ${folder}`} cannot be imported by Python ${python.minor}`,
    hint: `install another CPU build of torch into it with ${python.executable} -m pip install (pytorch.org says how)`,
    cwd: "/",
    env: cleanPython,
  });
  const [numpy = "", version = ""] = answer.trim().split("\n").slice(-2);
  if (!numpy.startsWith(python.sitePackages)) {
    throw new UserError(
      `The environment imports numpy from ${numpy}, not the one that requirements.txt pins`,
      `remove the environment (${path.dirname(python.bin)}) and run the same command again`,
    );
  }
  return { version, folder: folder ?? null };
}
