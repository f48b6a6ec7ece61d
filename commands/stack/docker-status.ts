import Table from "cli-table3";
import type { Endpoints } from "../../core/description.ts";
import { readDockerStack, runningContainers, type RunningContainer } from "./docker.ts";

/** What `npm run status -- --stack <name> --json` prints of a Docker host. */
export interface DockerStatus {
  readonly endpoints: Endpoints;
  /** Planned containers as they are now; a replica that is being replaced is there twice. */
  readonly containers: readonly {
    readonly name: string;
    /** Null where it is not on the host. */
    readonly id: string | null;
    readonly status: string;
    readonly ready: boolean;
    /** Of a Triton: it is ready only with all of them. */
    readonly models: readonly string[];
  }[];
}

export async function dockerStatus(stack: string): Promise<DockerStatus> {
  const { plan, docker } = readDockerStack(stack);
  const there = await runningContainers(docker.host, stack);
  return {
    endpoints: plan.description.endpoints,
    containers: plan.containers.flatMap(({ name, member }) => {
      const server = plan.servers.find((each) => each.name === member?.server);
      const models = server?.models.map(({ spec }) => spec.name) ?? [];
      const found = there.filter((container) => container.name === name);
      const all: readonly (RunningContainer | undefined)[] = found.length === 0 ? [undefined] : found;
      return all.map((container) => ({
        name,
        id: container?.id.slice(0, 12) ?? null,
        status: container?.status ?? "not there",
        ready: container?.isReady ?? false,
        models,
      }));
    }),
  };
}

export function describeDockerStatus({ endpoints, containers }: DockerStatus): string {
  const table = new Table({
    head: ["container", "id", "status", "ready", "models"],
    style: { head: [], border: [] },
  });
  for (const { name, id, status, ready, models } of containers)
    table.push([name, id ?? "-", status, ready ? "yes" : "NO", models.join("\n")]);
  const urls = Object.entries(endpoints).map(([name, url]) => `${name.padEnd(11)}${String(url)}`);
  return [table.toString(), "", ...urls].join("\n");
}
