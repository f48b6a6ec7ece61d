import type { Problem } from "./problem.ts";

/** What a URL's path carries as it is: the balancer routes by it. Triton itself takes any name of a directory. */
const modelName = /^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$/;

/** What is wrong with a model's name, which is its folder's. `file` names the folder in problems. */
export function nameProblems(name: string, file: string): Problem[] {
  return modelName.test(name)
    ? []
    : [
        {
          file,
          path: "",
          message: `\`${name}\` is no name for a model`,
          hint: "use letters, digits, `-`, `.` and `_`, starting and ending with a letter or digit",
        },
      ];
}
