import { createInterface } from "node:readline/promises";
import process from "node:process";
import { checkCluster, readyCluster, type ClusterTools } from "./cluster.ts";
import { prepareEngine, readyEngine, type Engine } from "./engine.ts";
import { buildGoProgram } from "./go-program.ts";
import { findInterpreter, minorOf, type Interpreter } from "./interpreter.ts";
import { withLock } from "./lock.mjs";
import {
  declinedInstallation,
  installCommand,
  installerProblem,
  installPackages,
  lookAround,
  missingPackages,
  thisInstaller,
  type Wanted,
} from "./packages.ts";
import { placesIn, projectRoot, type Places } from "./places.ts";
import { checkPlatform, thisPlatform } from "./platform.ts";
import { readyPrograms, requirePrograms, type Programs } from "./programs.ts";
import { preparePython, readyPython, sitePackagesIn, type Python } from "./python.ts";
import type { Report } from "./run-program.ts";
import { isAttended, runSteps, type Step } from "./steps.ts";
import { missingTestBuilds, readyTestPrograms, type TestPrograms } from "./test-programs.ts";
import { prepareTriton, readyTriton, type Triton } from "./triton.ts";

export type { ClusterTools } from "./cluster.ts";
export type { Engine } from "./engine.ts";
export type { Programs } from "./programs.ts";
export type { Python } from "./python.ts";
export type { Triton } from "./triton.ts";

/** What a command can ask for. */
export interface Tools {
  /** The virtual environment with requirements.txt. */
  readonly python: Python;
  /** The Triton server with a stub, libraries and torch for that environment; implies `python`. */
  readonly triton: Triton;
  /** HAProxy and Prometheus. */
  readonly programs: Programs;
  /** The Pulumi CLI. */
  readonly engine: Engine;
  /** What the tests' Kubernetes node of real pods and their images are made with. */
  readonly cluster: ClusterTools;
  /** What tests alone run. */
  readonly testPrograms: TestPrograms;
}

export type Need = keyof Tools;

export interface SetUpOptions {
  /** The checkout to set up; this one where left out. */
  readonly root?: string;
  /** Installs Debian packages without asking first. */
  readonly yes?: boolean;
}

/**
 * Brings what is needed and not there yet, showing each step, and returns where everything is. Where nothing is to do
 * it starts no process. What was complete is kept when it fails or is killed, so running it again goes on from there.
 * Throws a UserError that says what could not be had and how to mend it.
 */
export async function setUp<N extends Need>(
  needs: readonly N[],
  options?: SetUpOptions,
): Promise<Pick<Tools, N>>;
export async function setUp(needs: readonly Need[], options: SetUpOptions = {}): Promise<Partial<Tools>> {
  const root = options.root ?? projectRoot;
  const places = placesIn(root);
  const wanted = wantedBy(needs);
  if (wanted.python) checkPlatform(thisPlatform());
  if (wanted.cluster) checkCluster();
  const ready = readyTools(places);
  if (needs.every((need) => ready[need] !== undefined)) return ready;
  return withLock("setup", root, async () => {
    await prepare(needs, wanted, places, options.yes === true);
    const ready = readyTools(places);
    const lacking = needs.filter((need) => ready[need] === undefined);
    if (lacking.length === 0) return ready;
    throw new Error(`set up and not ready: ${lacking.join(", ")}`);
  });
}

function wantedBy(needs: readonly Need[]): Wanted {
  const triton = needs.includes("triton");
  return {
    python: triton || needs.includes("python"),
    triton,
    programs: needs.includes("programs"),
    cluster: needs.includes("cluster"),
    testPrograms: needs.includes("testPrograms"),
  };
}

/** Everything that is ready for use, found by looking at files only. */
export function readyTools(places: Places): Partial<Tools> {
  const python = readyPython(places);
  const triton = python === undefined ? undefined : readyTriton(places, python);
  const programs = readyPrograms();
  const engine = readyEngine(places);
  const cluster = readyCluster();
  const testPrograms = readyTestPrograms(places);
  return {
    ...(python === undefined ? {} : { python }),
    ...(triton === undefined ? {} : { triton }),
    ...(programs === undefined ? {} : { programs }),
    ...(engine === undefined ? {} : { engine }),
    ...(cluster === undefined ? {} : { cluster }),
    ...(testPrograms === undefined ? {} : { testPrograms }),
  };
}

async function prepare(needs: readonly Need[], wanted: Wanted, places: Places, yes: boolean): Promise<void> {
  // Looked at again: another process may have done it all while this one waited for the lock.
  const ready = readyTools(places);
  const interpreter = once(findInterpreter);
  const lacksPython = wanted.python && ready.python === undefined;
  const lacksTriton = wanted.triton && ready.triton === undefined;
  const lacksPrograms = wanted.programs && ready.programs === undefined;
  const lacksCluster = wanted.cluster && ready.cluster === undefined;

  const base = lacksPython || lacksTriton ? await interpreter() : undefined;
  const lacking = {
    python: lacksPython,
    triton: lacksTriton,
    programs: lacksPrograms,
    cluster: lacksCluster,
    testPrograms: wanted.testPrograms && ready.testPrograms === undefined,
  };
  const packages = missingPackages(lacking, lookAround(base, base && sitePackagesIn(places, base)));
  if (packages.length > 0) await agreeOnPackages(packages, yes);

  const steps: Step[] = [];
  if (packages.length > 0) {
    steps.push({
      title: `Debian packages ${packages.join(", ")}`,
      run: (report) => installPackages(packages, report),
    });
  }
  if (wanted.testPrograms) {
    for (const program of missingTestBuilds(places)) {
      steps.push({ title: program.name, run: (report) => buildGoProgram(program, places, report) });
    }
  }
  if (lacksPrograms) {
    steps.push({ title: "HAProxy and Prometheus", run: () => Promise.resolve(requirePrograms()) });
  }
  // Asked again after the packages: they change what the interpreter can do.
  const current = once(packages.length > 0 ? findInterpreter : interpreter);
  if (lacksPython) {
    steps.push({
      title: "Python environment",
      run: async (report) => preparePython(places, await current(), report),
    });
  }
  if (lacksTriton) {
    steps.push({
      title: "Triton",
      run: async (report) => prepareReadyTriton(places, await current(), report),
    });
  }
  if (needs.includes("engine") && ready.engine === undefined) {
    steps.push({ title: "Pulumi CLI", run: (report) => prepareEngine(places, report) });
  }
  await runSteps(steps);
}

async function prepareReadyTriton(places: Places, interpreter: Interpreter, report: Report): Promise<Triton> {
  const ready = readyPython(places);
  // The environment may have been made from another Python than is preferred by now, for which torch is.
  const fits = ready?.minor === minorOf(interpreter.version);
  const python = ready !== undefined && fits ? ready : await preparePython(places, interpreter, report);
  return prepareTriton(places, python, interpreter, report);
}

/** Stops where the packages cannot be installed, or the user does not want them to be. */
async function agreeOnPackages(packages: readonly string[], yes: boolean): Promise<void> {
  const problem = installerProblem(thisInstaller(), packages);
  if (problem !== undefined) throw problem;
  if (yes || !process.stdin.isTTY || !isAttended()) return;
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  // Ctrl-C and Ctrl-D close the prompt and leave the question open for ever.
  const closed = new AbortController();
  prompt.once("close", () => {
    closed.abort();
  });
  const { signal } = closed;
  const answer = await prompt
    .question(`Run \`${installCommand(packages)}\`? [Y/n] `, { signal })
    .catch(() => "no");
  prompt.close();
  if (!/^(y(es)?)?$/i.test(answer.trim())) throw declinedInstallation(packages);
}

function once<T>(work: () => Promise<T>): () => Promise<T> {
  let result: Promise<T> | undefined;
  return () => (result ??= work());
}
