import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import * as z from "zod";
import { messageOf } from "../../../core/errors.ts";
import { markVariable } from "../../../core/local/mark.ts";
import { killMarked, markOf } from "../marks.ts";
import { isFree, loopback } from "../ports.ts";
import { removeSharedMemory } from "../shared-memory.ts";
import {
  haproxyCommand,
  layout,
  programStatuses,
  supervisorctl,
  until,
  type ProgramStatus,
} from "../supervised.ts";
import type { Handler } from "../../provider/handler.ts";
import { oneAtATime } from "../../provider/one-at-a-time.ts";
import { supervisorSchema } from "./supervisor.ts";

export const processSchema = supervisorSchema.extend({
  /** Unique among the supervisor's programs. */
  name: z.string(),
  /** Absolute path of the executable, and its arguments. Never a secret: every user of the machine sees them. */
  command: z.array(z.string()),
  /** Added to the supervisor's own environment. Never a secret. */
  environment: z.record(z.string(), z.string()),
  /** TCP ports on the loopback address that must be free before the start. */
  ports: z.array(z.number().int()),
  /** Answers 200 when the process is ready. */
  readyUrl: z.string(),
  /** Seconds from start to ready; later is a failure. */
  startTimeout: z.number(),
  /** Seconds from the stop signal (TERM) to the kill. */
  stopTimeout: z.number(),
  /** Identity of what the process reads at its start; a change restarts or reloads it. */
  configHash: z.string(),
  /** Signal that makes the process read its files again without a gap; restarted instead where left out. */
  reloadSignal: z.enum(["HUP", "USR2"]).optional(),
  /** Names of shared memory that this process alone makes; what a killed one left is removed with it. */
  sharedMemoryPrefix: z.string().min(1).optional(),
  /** How the process is taken out of the balancer before it stops, and put back when it is ready. */
  drain: z
    .object({
      /** HAProxy's runtime socket. */
      socket: z.string(),
      /** Its `backend/server` names. */
      entries: z.object({ http: z.array(z.string()), grpc: z.array(z.string()) }),
      /** Where the process listens; the balancer is told before it sends calls there. */
      ports: z.object({ http: z.number().int(), grpc: z.number().int() }),
      /** Seconds in which running calls may end. */
      timeout: z.number(),
    })
    .optional(),
});

type ProcessInputs = z.output<typeof processSchema>;

/** Seconds a running process may take to answer before it counts as gone. */
const patience = 5;

/** A supervised process. A change that fails leaves the old process running as it was. */
export const processHandler: Handler<ProcessInputs> = {
  schema: processSchema,
  replaceOn: ["directory", "name"],
  id: (inputs) => inputs.name,
  create: async (inputs) => {
    // An earlier one that the state has forgotten, still watched by the supervisor or left behind by one.
    await killMarked(markOf(inputs.directory, inputs.name));
    await remove(inputs);
    await checkPorts(inputs, []);
    try {
      await launch(inputs);
    } catch (error) {
      await remove(inputs);
      throw error;
    }
  },
  exists: async (inputs) => {
    // Started as the state says, watched, and answering: one that is frozen or ends again and again is as good as gone.
    const program = layout(inputs.directory).program(inputs.name);
    const asStarted = existsSync(program) && (await readFile(program, "utf8")) === programConfig(inputs);
    const state = (await statusOf(inputs))?.state ?? "";
    if (!asStarted || !["STARTING", "RUNNING"].includes(state)) return false;
    return (
      (await until(patience, async () => ((await answers(inputs.readyUrl)) ? true : undefined))) ?? false
    );
  },
  update,
  delete: async (inputs) => {
    await drain(inputs);
    await remove(inputs);
  },
};

async function update(olds: ProcessInputs, news: ProcessInputs): Promise<void> {
  await checkPorts(news, olds.ports);
  if (fullMark(olds) === fullMark(news)) {
    // The process itself is as it should be; only what it reads, or how it is watched, has changed.
    if (news.reloadSignal !== undefined) {
      await supervisorctl(news, "signal", news.reloadSignal, news.name);
    }
    await awaitReady(news);
    return;
  }
  await drain(olds);
  try {
    await launch(news);
  } catch (error) {
    await remove(news);
    await launch(olds);
    await undrain(olds);
    throw new Error(`${messageOf(error)}\nThe previous ${news.name} is running again.`, { cause: error });
  }
  // Children that a killed server leaves behind.
  await killMarked(fullMark(olds));
  await undrain(news);
}

/** Gives the program to supervisord, which (re)starts it, and waits until it is ready. */
async function launch(inputs: ProcessInputs): Promise<void> {
  await writeFile(layout(inputs.directory).program(inputs.name), programConfig(inputs));
  await reload(inputs);
  await awaitReady(inputs);
}

async function remove(inputs: ProcessInputs): Promise<void> {
  const program = layout(inputs.directory).program(inputs.name);
  if (existsSync(program)) {
    await rm(program);
    await reload(inputs);
  }
  await killMarked(markOf(inputs.directory, inputs.name));
  if (inputs.sharedMemoryPrefix !== undefined) await removeSharedMemory(inputs.sharedMemoryPrefix);
}

/** supervisord handles one reload at a time; other processes of this deployment wait. */
const inTurn = oneAtATime();
async function reload(inputs: ProcessInputs): Promise<void> {
  // Nothing to stop where supervisord is gone, and a launch fails with its own message.
  await inTurn(() => supervisorctl(inputs, "update", inputs.name));
}

function programConfig(inputs: ProcessInputs): string {
  const { directory, name, command, stopTimeout } = inputs;
  const environment = { ...inputs.environment, [markVariable]: fullMark(inputs) };
  const escape = (text: string): string => text.replaceAll("%", "%%");
  const quote = (text: string): string => `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
  const variables = Object.entries(environment).map(([key, value]) => `${key}=${quote(value)}`);
  return `[program:${name}]
command=${escape(command.map(quote).join(" "))}
environment=${escape(variables.join(","))}
directory=${escape(directory)}
autostart=true
autorestart=true
startsecs=2
startretries=10
stopsignal=TERM
stopwaitsecs=${String(stopTimeout)}
killasgroup=true
redirect_stderr=true
stdout_logfile=${escape(layout(directory).log(name))}
stdout_logfile_maxbytes=20MB
stdout_logfile_backups=2
`;
}

/** Tells one start of a program from the next, but where the program only reads its files again. */
function fullMark(inputs: ProcessInputs): string {
  const { directory, name, command, environment, stopTimeout, configHash, reloadSignal } = inputs;
  const start = { command, environment, stopTimeout, ...(reloadSignal === undefined ? { configHash } : {}) };
  const hash = createHash("sha256").update(JSON.stringify(start)).digest("hex").slice(0, 16);
  return `${markOf(directory, name)}${hash}`;
}

/** Ready is: answers 200. A process that ends before that is a failure, with its last words. */
async function awaitReady(inputs: ProcessInputs): Promise<void> {
  const seen = new Set<number>();
  let polls = 0;
  const outcome = await until(inputs.startTimeout, async () => {
    if (await answers(inputs.readyUrl)) return "ready";
    polls += 1;
    if (polls % 10 !== 0) return undefined;
    const status = await statusOf(inputs);
    if (status?.pid !== undefined) seen.add(status.pid);
    return seen.size > 1 || ["BACKOFF", "EXITED", "FATAL"].includes(status?.state ?? "")
      ? "ended"
      : undefined;
  });
  if (outcome === "ready") return;
  const what =
    outcome === "ended" ? "ended before it was ready" : `was not ready in ${String(inputs.startTimeout)} s`;
  const log = layout(inputs.directory).log(inputs.name);
  throw new Error(`${inputs.name} ${what}. Its last words:\n${await lastLines(log)}`);
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2_000) });
    await response.arrayBuffer();
    return response.ok;
  } catch {
    return false;
  }
}

async function statusOf(inputs: ProcessInputs): Promise<ProgramStatus | undefined> {
  return (await programStatuses(inputs)).find((status) => status.name === inputs.name);
}

/** Errors are what is looked for; where the log names none, its end. */
async function lastLines(file: string): Promise<string> {
  const lines = existsSync(file) ? (await readFile(file, "utf8")).trimEnd().split("\n") : ["(no log)"];
  const errors = lines.filter((line) => /^E\d{4}|error|failed|cannot/i.test(line));
  return (errors.length > 0 ? errors : lines)
    .slice(-8)
    .map((line) => `  ${line}`)
    .join("\n");
}

/** Every port must be free, but those the process itself holds already. */
async function checkPorts({ name, ports }: ProcessInputs, held: readonly number[]): Promise<void> {
  const taken: number[] = [];
  for (const port of ports) if (!held.includes(port) && !(await isFree(port))) taken.push(port);
  if (taken.length === 0) return;
  throw new Error(
    `${name} cannot start: port ${taken.join(", ")} on 127.0.0.1 is taken by another program; stop it, or set another port under triton-platform:local`,
  );
}

/** No new calls, then the running ones end. Where no balancer runs there is nothing to drain. */
async function drain({ drain: plan }: ProcessInputs): Promise<void> {
  if (plan === undefined) return;
  await setState(plan, "drain");
  await until(plan.timeout, async () => {
    const rows = await statistics(plan);
    return rows.every(({ scur }) => scur === "0") ? true : undefined;
  });
  // Triton's HTTP server waits for every open connection at its stop, and HAProxy keeps idle ones in a pool. It closes
  // them when a server's address changes, which is the one way its runtime socket offers.
  for (const entry of plan.entries.http) {
    await haproxyCommand(plan.socket, `set server ${entry} addr ${elsewhere}`);
    await haproxyCommand(plan.socket, `set server ${entry} addr ${loopback}`);
  }
}

/** Another address of the loopback range; nothing is sent there, since the server is drained. */
const elsewhere = "127.0.0.2";

/** Back into the balancer, and not before the balancer itself sees it ready: the next replica may go down then. */
async function undrain({ drain: plan, name }: ProcessInputs): Promise<void> {
  if (plan === undefined) return;
  // The balancer's file changes last, so after a change of ports it would look at the old ones.
  for (const protocol of ["http", "grpc"] as const) {
    for (const entry of plan.entries[protocol]) {
      await haproxyCommand(
        plan.socket,
        `set server ${entry} addr ${loopback} port ${String(plan.ports[protocol])}`,
      );
      await haproxyCommand(plan.socket, `set server ${entry} check-port ${String(plan.ports.http)}`);
    }
  }
  await setState(plan, "ready");
  const up = await until(30, async () => {
    const rows = await statistics(plan);
    return rows.every(({ status }) => status?.startsWith("UP") ?? false) ? true : undefined;
  });
  if (up === undefined) throw new Error(`${name} is ready, but the balancer does not see it`);
}

type DrainPlan = NonNullable<ProcessInputs["drain"]>;

function allEntries({ entries }: DrainPlan): string[] {
  return [...entries.http, ...entries.grpc];
}

async function setState(plan: DrainPlan, state: "drain" | "ready"): Promise<void> {
  for (const entry of allEntries(plan))
    await haproxyCommand(plan.socket, `set server ${entry} state ${state}`);
}

/** HAProxy's statistics of these entries; none where it does not run or does not know them. */
async function statistics(plan: DrainPlan): Promise<Readonly<Record<string, string>>[]> {
  const answer = (await haproxyCommand(plan.socket, "show stat")) ?? "";
  const [head = "", ...lines] = answer.trim().split("\n");
  const columns = head.replace(/^# /, "").split(",");
  return lines
    .map((line) => Object.fromEntries(line.split(",").map((cell, i) => [columns[i] ?? "", cell])))
    .filter(({ pxname, svname }) => allEntries(plan).includes(`${pxname ?? ""}/${svname ?? ""}`));
}
