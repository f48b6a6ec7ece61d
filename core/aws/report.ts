import type { Problem } from "../spec/problem.ts";

/** Makes a problem of a stack's config; `path` is what comes after `triton-platform:` there. */
export type Report = (path: string, message: string, hint: string) => Problem;
