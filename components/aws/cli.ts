import { accessSync, constants } from "node:fs";
import path from "node:path";
import type { EksPlan } from "../../core/aws/plan.ts";
import type { Problem } from "../../core/spec/problem.ts";

/** The kubeconfig has the AWS CLI give the tokens: without it a stack would fail once its cluster is there. */
export function cliProblems({ cluster, workload }: EksPlan): Problem[] {
  if ((cluster === undefined && workload === undefined) || isOnPath("aws")) return [];
  return [
    {
      file: "this machine",
      path: "PATH",
      message: "the AWS CLI is not there, and by it the cluster's API knows who you are",
      hint: "install it: https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html",
    },
  ];
}

function isOnPath(program: string): boolean {
  const folders = (process.env.PATH ?? "").split(path.delimiter);
  const names = process.platform === "win32" ? [`${program}.exe`, `${program}.cmd`] : [program];
  return folders.some((folder) => names.some((name) => isExecutable(path.join(folder, name))));
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
