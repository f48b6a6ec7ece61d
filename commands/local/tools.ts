import type { LocalTools } from "../../core/local/plan.ts";
import { placesIn } from "../setup/places.ts";
import { readyTools, type Tools } from "../setup/set-up.ts";
import { UserError } from "../setup/user-error.ts";

/** The programs of the local target, as setup found or installed them. */
export function localTools({
  python,
  triton,
  programs,
}: Pick<Tools, "python" | "triton" | "programs">): LocalTools {
  return {
    python: python.executable,
    triton: triton.directory,
    libraryPath: triton.libraryPath,
    ...programs,
  };
}

/** The same where setup has run before; it is not run here. */
export function requireLocalTools(project: string): LocalTools {
  const { python, triton, programs } = readyTools(placesIn(project));
  if (python === undefined || triton === undefined || programs === undefined) {
    throw new UserError(
      "This machine is not set up for the local target",
      "run `npm start` once, which installs what is missing",
    );
  }
  return localTools({ python, triton, programs });
}
