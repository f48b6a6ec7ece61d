import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import * as z from "zod";
import {
  benchmarkFiles,
  benchmarkJob,
  benchmarkPolicies,
  benchmarkSecret,
  nameOf,
  selectorOf,
} from "../../../core/kubernetes/benchmark-job.ts";
import { lastWords } from "../../setup/run-program.ts";
import { UserError } from "../../setup/user-error.ts";
import type { StackEndpoint } from "../../stack/endpoint.ts";
import type { LoadGenerator } from "./generator.ts";
import { runKubectl, selectorOption, type KubectlAccess } from "./kubectl.ts";
import { findPerfAnalyzer, type Shell } from "./perf-analyzer.ts";

type JobKubernetes = Parameters<typeof benchmarkJob>[1] & Parameters<typeof benchmarkPolicies>[2];

export interface ClusterJobOptions {
  readonly kubernetes: JobKubernetes & KubectlAccess;
  readonly endpoint: StackEndpoint;
  /** Server groups that are called. */
  readonly servers: readonly string[];
  readonly image: string;
  /** Cores that its pod asks for. */
  readonly cpu: number;
  /** Seconds. */
  readonly deadline: number;
  readonly progress: (text: string) => void;
  readonly signal: AbortSignal;
}

/** What the work inside has: perf_analyzer in the pod, and the endpoint as the pod sees it. */
export interface InsideCluster {
  readonly generator: LoadGenerator;
  readonly endpoint: StackEndpoint;
}

const jobSchema = z.object({ metadata: z.object({ uid: z.string() }) });
const podsSchema = z.object({
  items: z.array(
    z.object({ metadata: z.object({ name: z.string() }), spec: z.object({ nodeName: z.string() }) }),
  ),
});

/**
 * Runs work with a pod of the cluster that makes the load, and removes all of it in the end, whatever happens: failure and
 * Ctrl-C too. Where this process is killed, the Job's own deadline does it (core/kubernetes/benchmark-job.ts).
 */
export async function withClusterJob<T>(
  options: ClusterJobOptions,
  work: (inside: InsideCluster) => Promise<T>,
): Promise<T> {
  const { kubernetes, endpoint, servers, image, cpu, deadline, progress, signal } = options;
  const id = randomBytes(4).toString("hex");
  const { apiKey, tls } = endpoint;
  const { ca, certificate, key } = tls;
  const hasSecret = apiKey !== undefined || [ca, certificate, key].some((file) => file !== undefined);
  const kubectl = kubectlOf(kubernetes);
  try {
    progress(`making the Job ${nameOf(id)} in ${kubernetes.namespace}`);
    const job = await kubectl(["create", "--filename=-", "--output=json"], {
      input: JSON.stringify(benchmarkJob({ id, image, cpu, deadline, hasSecret }, kubernetes)),
    });
    const owned = { id, uid: jobSchema.parse(JSON.parse(job)).metadata.uid };
    const files = {
      ...(apiKey === undefined ? {} : { apiKey }),
      ...textOf("authorities", ca),
      ...textOf("certificate", certificate),
      ...textOf("certificateKey", key),
    };
    // What is secret goes by standard input: arguments are for everybody to read.
    const items = [
      ...(hasSecret ? [benchmarkSecret(owned, files, kubernetes)] : []),
      ...benchmarkPolicies(owned, servers, kubernetes),
    ];
    if (items.length > 0)
      await kubectl(["create", "--filename=-"], {
        input: JSON.stringify({ apiVersion: "v1", kind: "List", items }),
      });
    progress(`waiting for its pod (image ${image})`);
    const selector = selectorOption(selectorOf(id));
    await kubectl(["wait", "pods", selector, "--for=condition=Ready", `--timeout=${String(podTimeout)}s`], {
      signal,
    });
    const listed = podsSchema.parse(
      JSON.parse(await kubectl(["get", "pods", selector, "--output=json"], { signal })),
    );
    const [pod] = listed.items;
    if (pod === undefined)
      throw new UserError(`The Job ${nameOf(id)} has no pod`, "look at the namespace's events");
    const shell = podShell(kubernetes, pod.metadata.name, `node ${pod.spec.nodeName}`);
    const generator = await findPerfAnalyzer(shell, {
      ...(apiKey === undefined ? {} : { apiKeyFile: benchmarkFiles.apiKey }),
      signal,
    });
    if (generator === undefined)
      throw new UserError(
        `There is no perf_analyzer in the image ${image} that runs`,
        "name another with --image",
      );
    return await work({
      generator,
      endpoint: { ...endpoint, tls: inPod(tls) },
    });
  } finally {
    progress(`removing the Job ${nameOf(id)}`);
    // All that it owns goes with it. Never made is removed too.
    await kubectl([
      "delete",
      "job",
      nameOf(id),
      "--ignore-not-found",
      "--cascade=foreground",
      "--timeout=60s",
    ]);
  }
}

function textOf(name: string, file: string | undefined): Record<string, string> {
  return file === undefined ? {} : { [name]: readFileSync(file, "utf8") };
}

/** The same files where the pod has them. */
function inPod({ ca, certificate, key }: StackEndpoint["tls"]): StackEndpoint["tls"] {
  return {
    ...(ca === undefined ? {} : { ca: benchmarkFiles.authorities }),
    ...(certificate === undefined ? {} : { certificate: benchmarkFiles.certificate }),
    ...(key === undefined ? {} : { key: benchmarkFiles.certificateKey }),
  };
}

/** Seconds until the image is there and the pod runs. The SDK's image is some gigabytes. */
const podTimeout = 900;

type Kubectl = (
  args: readonly string[],
  options?: { readonly input?: string; readonly signal?: AbortSignal },
) => Promise<string>;

function kubectlOf(access: KubectlAccess): Kubectl {
  return async (args, options = {}) => {
    const { exitCode, stdout, stderr } = await runKubectl(access, args, options);
    if (exitCode === 0) return stdout;
    options.signal?.throwIfAborted();
    throw new UserError(
      `kubectl ${args[0] ?? ""} failed:\n${lastWords(stderr)}`,
      "see that kubectl reaches the cluster and may make Jobs, Secrets and NetworkPolicies in its namespace",
    );
  };
}

function podShell(access: KubectlAccess, pod: string, place: string): Shell {
  return {
    place,
    run: (command, { input = "", signal }) =>
      runKubectl(access, ["exec", "--stdin", pod, "--", ...command], { input, signal }),
  };
}
