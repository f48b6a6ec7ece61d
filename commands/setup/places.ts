import path from "node:path";
import { fileURLToPath } from "node:url";

/** The checkout this file lies in. */
export const projectRoot = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..", "..");

/** What setup makes inside a checkout; all of it is ignored by git and may be deleted. */
export interface Places {
  readonly requirements: string;
  readonly venv: string;
  /** Notes of what is complete. The first two lie in the environment, and go with it. */
  readonly pythonState: string;
  readonly tritonState: string;
  readonly engineState: string;
  /** Python's Go, where no other is installed. */
  readonly go: string;
  /** Programs that are built here, each named with its version. */
  readonly programs: string;
}

export function placesIn(root: string): Places {
  const local = path.join(root, ".local");
  const venv = path.join(local, "venv");
  return {
    requirements: path.join(root, "requirements.txt"),
    venv,
    pythonState: path.join(venv, "setup-python.json"),
    tritonState: path.join(venv, "setup-triton.json"),
    engineState: path.join(local, "setup-engine.json"),
    go: path.join(local, "go"),
    programs: path.join(local, "programs"),
  };
}
