import * as z from "zod";
import { serverAlias } from "../../../core/docker/names.ts";
import type { RuntimeServer } from "../../../core/haproxy/runtime.ts";
import type { Handler } from "../../provider/handler.ts";
import { BalancerApi } from "../balancer-api.ts";
import { DockerCli, DockerError } from "../cli.ts";
import { until } from "../../local/supervised.ts";

export const memberSchema = z.object({
  /** Docker's address. */
  host: z.string(),
  /** Value of the label that the stack's containers have. */
  stack: z.string(),
  /** Docker's name of the network in which the balancer finds its servers. */
  network: z.string(),
  /** Name of the server group. */
  server: z.string(),
  /** Docker's id of the replica. */
  container: z.string(),
  /** Seconds from its start in which the replica must be ready. */
  startup: z.number(),
  /** Seconds in which calls may end before the replica is told to stop. */
  drain: z.number(),
  /** Seconds from then until it is killed. */
  grace: z.number(),
});

type MemberInputs = z.output<typeof memberSchema>;

/** Seconds in which DNS is asked again and a health check passes. */
const patience = 60;

/** Seconds after which a replica that is gone is gone from DNS, or fails its health checks. */
const farewell = 15;

/**
 * A replica's place behind the balancer. It is there when the replica is ready and the balancer sends calls to it; a
 * replica that does not get so far is stopped. It goes in the order that loses no call: no new ones, the running ones end,
 * the balancer's idle connections are closed, the replica is stopped, and its slots are free for another. What depends on
 * it waits for all that.
 */
export const memberHandler: Handler<MemberInputs> = {
  schema: memberSchema,
  replaceOn: ["host", "stack", "network", "server", "container"],
  id: (inputs) => inputs.container,
  create: join,
  exists: async (inputs) => (await addressOf(inputs)) !== undefined,
  // Only times can have changed, which are for its end.
  update: () => Promise.resolve(),
  delete: leave,
};

async function join(inputs: MemberInputs): Promise<void> {
  const { host, stack, server } = inputs;
  const docker = new DockerCli(host);
  await awaitReady(docker, inputs);
  const balancer = await BalancerApi.find(docker, stack);
  if (balancer === undefined)
    throw new Error(`the balancer does not run; docker --host ${host} ps --all shows why`);
  const seen = await until(patience, async () => {
    const address = await addressOf(inputs);
    if (address === undefined) return undefined;
    const slots = slotsOf(server, await balancer.servers());
    // What an earlier replica left: one that comes into its slot would get no calls.
    const left = slots.filter((slot) => slot.isDrained && ["-", address].includes(slot.address));
    await balancer.order(...left.map(({ entry }) => `set server ${entry} state ready`));
    const serving = slots.filter((slot) => slot.address === address && slot.isServing);
    return backendsOf(serving).size === backendsOf(slots).size && slots.length > 0 ? true : undefined;
  });
  if (seen === undefined)
    throw new Error(
      `${server}'s new replica is ready, but the balancer does not send calls to it after ${String(patience)} s; docker --host ${host} logs of the balancer say why`,
    );
}

/** A server that ends before it is ready has failed, and says why in its log. */
async function awaitReady(
  docker: DockerCli,
  { container, server, startup, grace }: MemberInputs,
): Promise<void> {
  // One that was stopped here, after an earlier attempt.
  await docker.run(["start", container]);
  const format = "{{.State.Status}} {{.RestartCount}} {{.State.Health.Status}}";
  const ask = async (): Promise<string[]> =>
    (await docker.run(["inspect", "--type=container", "--format", format, container])).trim().split(" ");
  const [, restartsBefore] = await ask();
  const outcome = await until(startup, async () => {
    const [status, restarts, health] = await ask();
    if (health === "healthy") return "ready";
    return status === "running" && restarts === restartsBefore ? undefined : "ended";
  });
  if (outcome === "ready") return;
  const said = await lastWords(docker, container);
  await docker.run(["stop", "--time", String(grace), container]);
  const what = outcome === "ended" ? "ended before it was ready" : `was not ready in ${String(startup)} s`;
  throw new Error(`${server}'s new replica ${what}, and is stopped. Its last words:\n${said}`);
}

/** Errors are what is looked for; where the log names none, its end. */
async function lastWords(docker: DockerCli, container: string): Promise<string> {
  const lines = (await docker.logs(container, 200)).trimEnd().split("\n");
  const errors = lines.filter((line) => /^E\d{4}|error|failed|cannot/i.test(line));
  return [...new Set(errors.length > 0 ? errors : lines)]
    .slice(-8)
    .map((line) => `  ${line}`)
    .join("\n");
}

async function leave(inputs: MemberInputs): Promise<void> {
  const { host, stack, container, drain, grace } = inputs;
  const docker = new DockerCli(host);
  const address = await addressOf(inputs);
  if (address === undefined) return;
  const balancer = await BalancerApi.find(docker, stack);
  const entries = balancer === undefined ? [] : await entriesAt(inputs, address, balancer);
  if (balancer !== undefined) await empty(balancer, entries, address, drain);
  await docker.run(["stop", "--time", String(grace), container]);
  if (balancer === undefined) return;
  await until(farewell, async () => {
    const there = (await balancer.servers()).filter(({ entry }) => entries.includes(entry));
    return there.every((slot) => slot.address !== address || !slot.isUp) ? true : undefined;
  });
  await balancer.order(...entries.map((entry) => `set server ${entry} state ready`));
}

/** No new calls, and the running ones have ended; then the connections that the balancer keeps are closed. */
async function empty(
  balancer: BalancerApi,
  entries: readonly string[],
  address: string,
  seconds: number,
): Promise<void> {
  await balancer.order(...entries.map((entry) => `set server ${entry} state drain`));
  await until(seconds, async () => {
    const sessions = await balancer.sessions();
    return entries.every((entry) => (sessions.get(entry) ?? 0) === 0) ? true : undefined;
  });
  // Triton waits for every open connection at its stop, and HAProxy closes idle ones at a change of address alone.
  const away = "127.0.0.2";
  for (const entry of entries)
    await balancer.order(`set server ${entry} addr ${away}`, `set server ${entry} addr ${address}`);
}

async function entriesAt(
  { server }: MemberInputs,
  address: string,
  balancer: BalancerApi,
): Promise<readonly string[]> {
  const slots = slotsOf(server, await balancer.servers());
  return slots.flatMap((slot) => (slot.address === address ? [slot.entry] : []));
}

function slotsOf(server: string, all: readonly RuntimeServer[]): readonly RuntimeServer[] {
  return all.filter(({ hostname }) => hostname === serverAlias(server));
}

function backendsOf(slots: readonly RuntimeServer[]): ReadonlySet<string> {
  return new Set(slots.map(({ entry }) => entry.split("/")[0] ?? ""));
}

/** Of the replica in the balancer's network; undefined where it does not run. */
async function addressOf({ host, network, container }: MemberInputs): Promise<string | undefined> {
  const format = `{{if .State.Running}}{{with index .NetworkSettings.Networks "${network}"}}{{.IPAddress}}{{end}}{{end}}`;
  try {
    const address = await new DockerCli(host).run([
      "inspect",
      "--type=container",
      "--format",
      format,
      container,
    ]);
    return address.trim() === "" ? undefined : address.trim();
  } catch (error) {
    if (error instanceof DockerError && /no such (container|object)/i.test(error.words)) return undefined;
    throw error;
  }
}
