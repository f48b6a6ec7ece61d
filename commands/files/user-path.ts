import path from "node:path";
import process from "node:process";
import { projectRoot } from "../setup/places.ts";

/**
 * A path as its user means it: relative to the folder the command was typed in. npm runs scripts in the project's
 * folder and tells that one as INIT_CWD; programs that a script of npm starts elsewhere inherit it without meaning it.
 */
export function userPath(text: string): string {
  const { INIT_CWD, npm_lifecycle_event } = process.env;
  const here = process.cwd();
  const isOfNpm = npm_lifecycle_event !== undefined && here === projectRoot;
  // As it was typed, where that is right: it is what messages show.
  return !isOfNpm || INIT_CWD === undefined || INIT_CWD === here ? text : path.resolve(INIT_CWD, text);
}

/** The folder of the project's models, from wherever a command is run. */
export function projectModels(): string {
  return process.cwd() === projectRoot ? "models" : path.join(projectRoot, "models");
}
