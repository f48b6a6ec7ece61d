import { existsSync, realpathSync } from "node:fs";
import { hostname } from "node:os";
import path from "node:path";
import process from "node:process";
import * as z from "zod";
import type { GrafanaContainer, GrafanaProgram, GrafanaTool } from "../../core/local/grafana.ts";
import { findProgram, findPrograms, isExecutable } from "./find-program.ts";
import { askProgram, runProgram } from "./run-program.ts";
import { runSteps } from "./steps.ts";
import { UserError } from "./user-error.ts";

/** What this machine shows dashboards with: a Grafana, or why there is none. */
export type FoundGrafana = { readonly tool: GrafanaTool } | { readonly absent: string };

export interface WantedGrafana {
  readonly enabled: boolean;
  /** What Docker runs where no Grafana is installed. */
  readonly image: string;
  /** Whether there is time to pull the image where Docker does not have it yet. */
  readonly pull: boolean;
}

/**
 * A Grafana that is installed, else a Docker whose containers share this machine's network, with the image. Never a
 * failure: without a Grafana there is still the report of `npm run dashboard`.
 */
export async function findGrafana({ enabled, image, pull }: WantedGrafana): Promise<FoundGrafana> {
  if (!enabled) return { absent: "local.grafana.enabled is false" };
  const program = findGrafanaProgram();
  if (program !== undefined) return { tool: program };
  const docker = await findDocker();
  if ("absent" in docker) return docker;
  const { tool } = docker;
  const inspect = ["--host", tool.host, "image", "inspect", "--format", "{{.Id}}", image];
  if ((await askProgram(tool.docker, inspect)) !== undefined) return docker;
  if (!pull) return { absent: `no grafana is on PATH, and Docker has no ${image}: docker pull brings it` };
  const failure = await pullImage(tool, image);
  return failure === undefined ? docker : { absent: `Docker could not pull ${image}: ${failure}` };
}

/** Where Debian's and Red Hat's packages of Grafana put it. Source: Grafana, "Grafana server CLI". */
const packageHome = "/usr/share/grafana";

/**
 * The executable itself and not the scripts of packages, which take the settings of the system's own Grafana. Up to
 * release 9 it was called grafana-server.
 */
export function findGrafanaProgram(
  searchPath?: string,
  installed: string = packageHome,
): GrafanaProgram | undefined {
  for (const name of ["grafana", "grafana-server"]) {
    for (const found of findPrograms(name, searchPath)) {
      const beside = path.resolve(path.dirname(realpathSync(found)), "..");
      const home = [beside, path.join(beside, "share", "grafana"), installed].find((folder) =>
        existsSync(path.join(folder, "conf", "defaults.ini")),
      );
      if (home === undefined) continue;
      const own = ["grafana", "grafana-server"]
        .map((file) => path.join(home, "bin", file))
        .find(isExecutable);
      const executable = own ?? found;
      const server = path.basename(executable) === "grafana" ? ["server"] : [];
      return { kind: "program", command: [executable, ...server], home };
    }
  }
  return undefined;
}

/** Docker of this machine: not one that the user's context leads to, which may be another machine's. */
const socket = "/var/run/docker.sock";

const infoSchema = z.object({ Name: z.string(), SecurityOptions: z.array(z.string()).nullable() });

async function findDocker(): Promise<{ readonly tool: GrafanaContainer } | { readonly absent: string }> {
  const docker = findProgram("docker");
  if (docker === undefined) return { absent: "neither grafana nor docker is on PATH" };
  if (!existsSync(socket)) return { absent: `no grafana is on PATH, and no Docker is at ${socket}` };
  const host = `unix://${socket}`;
  const answer = await askProgram(docker, ["--host", host, "info", "--format", "{{json .}}"], {
    timeoutMs: 3_000,
  });
  const absent = dockerProblem(answer, hostname());
  if (absent !== undefined) return { absent: `no grafana is on PATH, and ${absent}` };
  return { tool: { kind: "container", docker, host, user: String(process.getuid?.() ?? 0) } };
}

/**
 * Why containers of this Docker cannot reach what listens on this machine's loopback address; undefined where they can.
 * `answer` is what `docker info` printed, undefined where it failed.
 */
export function dockerProblem(answer: string | undefined, machine: string): string | undefined {
  const info = answer === undefined ? undefined : infoSchema.safeParse(parsed(answer)).data;
  if (info === undefined) return `Docker at ${socket} does not answer`;
  if (info.SecurityOptions?.some((option) => option.includes("name=rootless")) === true)
    return "Docker runs rootless: its containers do not share this machine's network";
  // In a virtual machine, as Docker Desktop's, or outside of the container that this process is in.
  if (info.Name !== machine) return `Docker runs on another machine, ${info.Name}`;
  return undefined;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Why the image could not be had; undefined where it is there now. */
async function pullImage({ docker, host }: GrafanaContainer, image: string): Promise<string | undefined> {
  let failure: string | undefined;
  const run = async (report: (text: string) => void): Promise<void> => {
    try {
      await runProgram({
        command: docker,
        args: ["--host", host, "pull", image],
        failure: "docker pull failed",
        hint: "",
        silenceMs: 60_000,
        onLine: report,
      });
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      failure = error.message.split("\n").at(-1) ?? error.message;
    }
  };
  await runSteps([{ title: `Grafana's image ${image}`, run }]);
  return failure;
}
