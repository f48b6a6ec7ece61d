import { prepareDocker, type PreparedDocker } from "../../components/docker/prepare.ts";
import { DockerCli, DockerError } from "../../components/docker/cli.ts";
import { labels } from "../../core/docker/names.ts";
import { ProblemsError, refuse } from "../../core/spec/problem.ts";
import { projectRoot } from "../setup/places.ts";
import { UserError } from "../setup/user-error.ts";
import { readStack, type StackConfig } from "./config.ts";
import { modelsOf } from "./models.ts";

/** The plan of a stack with the target `docker`; the host is not asked. Throws all problems at once. */
export function planDockerStack({ config, file }: StackConfig, models = modelsOf(config)): PreparedDocker {
  const prepared = prepareDocker(models.value, file, { config, project: projectRoot, hasApiKey: true });
  if ("problems" in prepared) throw new ProblemsError([...models.problems, ...prepared.problems]);
  refuse(models.problems);
  return prepared.value;
}

/** The plan of the stack of this name, which must be one of a Docker host. */
export function readDockerStack(name: string): PreparedDocker {
  const stack = readStack(name);
  if (stack.config.target === "docker") return planDockerStack(stack);
  throw new UserError(
    `The stack \`${name}\` runs on the target ${stack.config.target}, and this is for a Docker host`,
    stack.config.target === "kubernetes" ? "ask the cluster (kubectl get pods)" : "leave --stack out",
  );
}

/** A container of a stack on its host. */
export interface RunningContainer {
  readonly id: string;
  /** As the plan calls it: `gpu-0`, `balancer`. */
  readonly name: string;
  /** As Docker says it, as in `Up 5 minutes (healthy)`. */
  readonly status: string;
  readonly isReady: boolean;
}

/** All that the stack has on the host, also what is about to go. */
export async function runningContainers(host: string, stack: string): Promise<RunningContainer[]> {
  const label = (key: keyof typeof labels): string => `{{.Label "${labels[key]}"}}`;
  const columns = ["{{.ID}}", label("service"), label("server"), label("replica"), "{{.Status}}"].join("\t");
  try {
    const listed = await new DockerCli(host).run([
      ...["ps", "--all", "--no-trunc", "--filter", `label=${labels.stack}=${stack}`, "--format", columns],
    ]);
    return parseContainers(listed);
  } catch (error) {
    if (!(error instanceof DockerError)) throw error;
    throw new UserError(
      `Docker on ${host} does not answer: ${error.words}`,
      `try docker --host ${host} version`,
    );
  }
}

/** A line for each, of id, service, server, replica and status; exported for its test. */
export function parseContainers(listed: string): RunningContainer[] {
  return listed
    .split("\n")
    .filter(Boolean)
    .map((line) => {
      const [id = "", service = "", server = "", replica = "", status = ""] = line.split("\t");
      return {
        id,
        name: service === "triton" ? `${server}-${replica}` : service,
        status,
        // In brackets Docker tells health, where there is a check of it, and that one is paused.
        isReady: status.startsWith("Up ") && (status.endsWith("(healthy)") || !status.includes("(")),
      };
    });
}
