import * as pulumi from "@pulumi/pulumi";
import type { LocalTools } from "../../core/local/plan.ts";
import { hashFile } from "../../core/spec/artifacts.ts";
import { placesIn } from "../setup/places.ts";
import { readyTools, type Tools } from "../setup/set-up.ts";

/** The programs of the local target, as setup found or installed them. */
export function localTools(
  project: string,
  { python, triton, programs }: Pick<Tools, "python" | "triton" | "programs">,
): LocalTools {
  const { sha256 } = hashFile(project, "requirements.txt");
  return {
    python: python.executable,
    triton: triton.directory,
    libraryPath: triton.libraryPath,
    environmentHash: `${python.minor} ${sha256}`,
    ...programs,
  };
}

/** The same where setup has run before; it is not run here. Throws a RunError, which Pulumi shows without a stack. */
export function requireLocalTools(project: string): LocalTools {
  const { python, triton, programs } = readyTools(placesIn(project));
  if (python === undefined || triton === undefined || programs === undefined) {
    throw new pulumi.RunError(
      "This machine is not set up for the local target: run `npm start` once, which installs what is missing",
    );
  }
  return localTools(project, { python, triton, programs });
}
