import * as z from "zod";
import type { DockerCli } from "../../../components/docker/cli.ts";
import { labels } from "../../../core/docker/names.ts";
import { serverSelector } from "../../../core/kubernetes/names.ts";
import { lastWords } from "../../setup/run-program.ts";
import { kubectlCommand, runKubectl, selectorOption, type KubectlAccess } from "./kubectl.ts";

/** Where a stack's replicas are containers that only programs inside them reach. */
export interface ContainerHost {
  /** Those of a server group that run now. Throws where nobody says. */
  readonly list: (server: string) => Promise<readonly ReplicaContainer[]>;
  /** What is to be seen to where they cannot be asked. */
  readonly hint: string;
}

export interface ReplicaContainer {
  /** Another one after it has another. */
  readonly name: string;
  /** Runs the program in it that follows. */
  readonly command: readonly string[];
}

export function dockerReplicas(docker: DockerCli, stack: string): ContainerHost {
  return {
    async list(server) {
      const wanted = { [labels.stack]: stack, [labels.service]: "triton", [labels.server]: server };
      const ids = await docker.find(wanted, "status=running");
      return ids.map((id) => ({ name: id, command: docker.command("exec", "--interactive", id) }));
    },
    hint: `see that docker --host ${docker.host} exec works, and that the image has bash`,
  };
}

const podsSchema = z.object({
  items: z.array(
    z.object({
      metadata: z.object({ name: z.string(), deletionTimestamp: z.string().optional() }),
      status: z.object({
        conditions: z.array(z.object({ type: z.string(), status: z.string() })).default([]),
      }),
    }),
  ),
});

export function podReplicas(access: KubectlAccess): ContainerHost {
  return {
    async list(server) {
      const { exitCode, stdout, stderr } = await runKubectl(access, [
        ...["get", "pods", selectorOption(serverSelector(server))],
        ...["--output=json", "--request-timeout=10s"],
      ]);
      if (exitCode !== 0) throw new Error(lastWords(stderr, 1));
      return podsSchema
        .parse(JSON.parse(stdout))
        .items.filter(({ metadata, status }) => metadata.deletionTimestamp === undefined && isReady(status))
        .map(({ metadata: { name } }) => ({
          name,
          command: [...kubectlCommand(access), "exec", "--stdin", name, "--container=triton", "--"],
        }));
    },
    hint: `see that kubectl is on PATH and may list pods and create pods/exec in the namespace ${access.namespace}, and that the image has bash`,
  };
}

function isReady({ conditions }: z.output<typeof podsSchema>["items"][number]["status"]): boolean {
  return conditions.some(({ type, status }) => type === "Ready" && status === "True");
}
