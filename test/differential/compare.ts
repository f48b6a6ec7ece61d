import { readFileSync } from "node:fs";
import path from "node:path";
import fc from "fast-check";
import { printConfigPbtxt } from "../../core/triton/config-text.ts";
import { candidateName, named, type Candidate } from "./candidate.ts";
import { steps } from "./ensembles.ts";
import { deliberateReasons, ofThisMachine } from "./exceptions.ts";
import { candidates } from "./generate.ts";
import { RealTriton, type LoadResult, type ModelFolder, type TritonOptions } from "./triton.ts";

/** What a checker says of a candidate. */
export interface Verdict {
  readonly accepted: boolean;
  /** Codes of the rules that refuse it; empty where it is accepted. */
  readonly rules: readonly string[];
}

export type Judge = (candidate: Candidate) => Verdict;

export interface CompareOptions {
  readonly triton: TritonOptions["triton"];
  readonly judge: Judge;
  readonly count: number;
  readonly seed: number;
  /** Loads at a time; RealTriton's default where left out. */
  readonly parallel?: number;
  /** Also tries what ends a server or makes it hang, once in fifty (default: not). */
  readonly deadly?: boolean;
  readonly progress?: (done: number, comparison: Comparison) => void;
  readonly signal?: AbortSignal;
}

/** One candidate with what both say of it. */
export interface Compared {
  readonly candidate: Candidate;
  /** Its config.pbtxt. */
  readonly text: string;
  readonly verdict: Verdict;
  readonly result: LoadResult;
}

export interface Comparison {
  readonly seed: number;
  seconds: number;
  readonly acceptedByBoth: Compared[];
  readonly refusedByBoth: Compared[];
  /** Accepted by the checker and refused by the server: a rule is missing or too weak. */
  readonly tooLax: Compared[];
  /** Refused by the checker and loaded by the server: a rule is too strong. */
  readonly tooStrict: Compared[];
  /** The same, but by no other rules than those of exceptions.ts. */
  readonly deliberate: Compared[];
  /** Refused by the server for what this machine lacks. */
  readonly ofThisMachine: Compared[];
}

/** Loads generated candidates into the real server and compares each result with the checker's verdict. */
export async function compare(options: CompareOptions): Promise<Comparison> {
  const { triton, judge, count, seed, parallel = 16, deadly = false, progress, signal } = options;
  const program = readFileSync(path.join(import.meta.dirname, "model.py"), "utf8");
  const generated = fc.sample(candidates(program, deadly), { seed, numRuns: count });
  const server = new RealTriton({ triton, parallel, steps: steps.map((step) => stepFolder(step, program)) });
  const comparison = emptyComparison(seed);
  const started = Date.now();
  let done = 0;
  const todo = generated.entries();
  const work = async (): Promise<void> => {
    for (const [i, candidate] of todo) {
      signal?.throwIfAborted();
      const result = await server.load(folderOf(candidate, `${candidateName}-${String(i)}`));
      const text = printConfigPbtxt(candidate.config);
      const compared = { candidate, text, verdict: judge(candidate), result };
      placeOf(compared, comparison).push(compared);
      done += 1;
      comparison.seconds = (Date.now() - started) / 1000;
      progress?.(done, comparison);
    }
  };
  try {
    await Promise.all(Array.from({ length: parallel }, work));
  } finally {
    await server.stop();
  }
  return comparison;
}

/** Whether checker and server differ nowhere but where they may. */
export function agrees({ tooLax, tooStrict }: Comparison): boolean {
  return tooLax.length === 0 && tooStrict.length === 0;
}

function emptyComparison(seed: number): Comparison {
  return {
    seed,
    seconds: 0,
    acceptedByBoth: [],
    refusedByBoth: [],
    tooLax: [],
    tooStrict: [],
    deliberate: [],
    ofThisMachine: [],
  };
}

function placeOf(compared: Compared, comparison: Comparison): Compared[] {
  const { candidate, verdict, result } = compared;
  if (result.outcome === "loaded") {
    if (verdict.accepted) return comparison.acceptedByBoth;
    const onPurpose = deliberateReasons(verdict.rules, candidate.config) !== undefined;
    return onPurpose ? comparison.deliberate : comparison.tooStrict;
  }
  if (!verdict.accepted) return comparison.refusedByBoth;
  const machine = ofThisMachine.some(
    ({ message, config }) => message.test(result.error) && config?.(candidate.config) !== false,
  );
  return machine ? comparison.ofThisMachine : comparison.tooLax;
}

function folderOf(candidate: Candidate, name: string): ModelFolder {
  const { config, files } = named(candidate, name);
  return { name, files: { ...files, "config.pbtxt": printConfigPbtxt(config) } };
}

function stepFolder(step: (typeof steps)[number], program: string): ModelFolder {
  return { name: step.name, files: { "config.pbtxt": printConfigPbtxt(step), "1/model.py": program } };
}
