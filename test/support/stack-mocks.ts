import { record, type Registered, type Run, type StandIns } from "../../commands/plan/record.ts";

/** Inputs of the resource of this name, which must be among those registered. */
export function inputsIn(resources: readonly Registered[], name: string): Registered["inputs"] {
  const found = resources.find((resource) => resource.name === name);
  if (found !== undefined) return found.inputs;
  const names = resources.map((resource) => resource.name).join(", ");
  throw new Error(`${name} was not registered; there are ${names}`);
}

/** Runs a program without an engine, to its end. */
export async function register(program: () => Promise<unknown>, standIns: StandIns): Promise<Run> {
  const run = await record(program, standIns);
  if (run.error !== undefined) throw run.error;
  return run;
}
