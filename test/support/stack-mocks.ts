import { record, type Run, type StandIns } from "../../commands/plan/record.ts";

/** Runs a program without an engine, to its end. */
export async function register(program: () => Promise<unknown>, standIns: StandIns): Promise<Run> {
  const run = await record(program, standIns);
  if (run.error !== undefined) throw run.error;
  return run;
}
