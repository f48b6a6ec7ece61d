import * as z from "zod";
import { findPrograms } from "./find-program.ts";
import { askProgram } from "./run-program.ts";
import { UserError } from "./user-error.ts";
import { compareVersions, parseVersion, type Version } from "./version.ts";

/** Python versions for which every pin of requirements.txt has a wheel and nvidia-pytriton a stub; both ends belong. */
export const oldestPython = "3.11";
export const newestPython = "3.12";

/** The interpreter that the distribution's own packages (torch, libpython) are made for. */
const systemPython = "/usr/bin/python3";

/** A Python to make the virtual environment from. */
export interface Interpreter {
  /** The program itself, not a link to whichever minor version is current. */
  readonly executable: string;
  readonly version: Version;
  /** Whether it can put pip into a virtual environment: Debian keeps that in a package of its own. */
  readonly hasEnsurepip: boolean;
  /** The folder that torch is imported from; undefined where it is not installed. */
  readonly torchFolder: string | undefined;
  /** Where its own shared library would lie. */
  readonly libraryFolder: string | undefined;
  /** Whether a program that links the shared library is started, by the system's or by the interpreter's own. */
  readonly hasSharedLibrary: boolean;
}

const probe = `
import ctypes, importlib.util, json, os, sys, sysconfig
spec = importlib.util.find_spec("torch")
folder = sysconfig.get_config_var("LIBDIR")
library = "libpython%d.%d.so.1.0" % sys.version_info[:2]
def loads(name):
    try:
        ctypes.CDLL(name)
        return True
    except OSError:
        return False
print(json.dumps({
    "executable": os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable),
    "version": "%d.%d.%d" % sys.version_info[:3],
    "hasEnsurepip": importlib.util.find_spec("ensurepip") is not None,
    "torchFolder": os.path.dirname(os.path.dirname(spec.origin)) if spec and spec.origin else None,
    "libraryFolder": folder,
    "hasSharedLibrary": loads(library) or bool(folder and os.path.exists(os.path.join(folder, library))),
}))`;

const answerSchema = z.object({
  executable: z.string(),
  version: z.string().transform((text, context) => {
    const version = parseVersion(text);
    if (version !== undefined) return version;
    context.addIssue({ code: "custom", message: "no version" });
    return z.NEVER;
  }),
  hasEnsurepip: z.boolean(),
  torchFolder: z
    .string()
    .nullable()
    .transform((folder) => folder ?? undefined),
  libraryFolder: z
    .string()
    .nullable()
    .transform((folder) => folder ?? undefined),
  hasSharedLibrary: z.boolean(),
});

export function minorOf([major, minor]: Version): string {
  return `${String(major)}.${String(minor)}`;
}

export function isSupportedPython(version: Version): boolean {
  const minor: Version = [version[0], version[1], 0];
  const [oldest, newest] = [parseVersion(oldestPython), parseVersion(newestPython)];
  if (oldest === undefined || newest === undefined) return false;
  return compareVersions(minor, oldest) >= 0 && compareVersions(minor, newest) <= 0;
}

/** The system's Python where it fits, since torch and libpython come with it; else the first on PATH that does. */
export async function findInterpreter(): Promise<Interpreter> {
  const names = ["python3", `python${newestPython}`, `python${oldestPython}`];
  const candidates = [...new Set([systemPython, ...names.flatMap((name) => findPrograms(name))])];
  const seen: string[] = [];
  for (const candidate of candidates) {
    const interpreter = await askInterpreter(candidate);
    if (interpreter === undefined) continue;
    if (isSupportedPython(interpreter.version)) return interpreter;
    seen.push(`${candidate} is ${interpreter.version.join(".")}`);
  }
  throw new UserError(
    `Python ${oldestPython} or ${newestPython} is needed${seen.length === 0 ? ", and there is no python3 on PATH" : `; ${seen.join(", ")}`}`,
    `install Python ${newestPython} or ${oldestPython} with your package manager, pyenv or uv, so that \`python${newestPython}\` or \`python${oldestPython}\` is on PATH`,
  );
}

async function askInterpreter(executable: string): Promise<Interpreter | undefined> {
  const env = { PYTHONHOME: undefined, PYTHONPATH: undefined };
  const answer = await askProgram(executable, ["-c", probe], { env });
  if (answer === undefined) return undefined;
  try {
    return answerSchema.safeParse(JSON.parse(answer)).data;
  } catch {
    return undefined;
  }
}

/** Whether the distribution's python3-* packages are made for it. */
export function isSystemPython({ executable }: Pick<Interpreter, "executable">): boolean {
  return /^\/usr\/bin\/python3(\.\d+)?$/.test(executable);
}
