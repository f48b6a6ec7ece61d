import { posix } from "node:path";
import type { IJob } from "kubernetes-models/batch/v1";
import type { INetworkPolicy } from "kubernetes-models/networking.k8s.io/v1";
import type { ISecret } from "kubernetes-models/v1";
import type { KubernetesConfig } from "../spec/kubernetes.ts";
import type { Release } from "../triton/releases.ts";
import { balancerSelector, groupGrpcPort, partOf, ports, type Selector } from "./names.ts";
import { pullSecrets, restrictedContainer, restrictedPod } from "./pod.ts";

/**
 * A pod inside the cluster that makes the load of a benchmark: a Job, which ends by itself at its deadline, and what goes
 * with it. No resource of the stack: `npm run bench` makes it, calls perf_analyzer in it, and removes it; where that is
 * killed, the cluster removes the Job some time after its deadline, and with it all that it owns.
 */
export interface BenchmarkJobArgs {
  /** End of the names: letters and digits. */
  readonly id: string;
  /** Any image with perf_analyzer, sh, mktemp and grep: NVIDIA's SDK image has them. */
  readonly image: string;
  /** Cores that it asks for, so that it does not share the servers': it may take more where they are free. */
  readonly cpu: number;
  /** Seconds after which the Job ends, whatever is under way. */
  readonly deadline: number;
  /** Whether there is a Secret with an API key or certificates. */
  readonly hasSecret: boolean;
}

/** Folder of the pod with what the Secret holds, and its files. */
export const benchmarkFiles = {
  folder: "/run/benchmark",
  apiKey: "/run/benchmark/api-key",
  authorities: "/run/benchmark/ca.crt",
  certificate: "/run/benchmark/tls.crt",
  certificateKey: "/run/benchmark/tls.key",
} as const;

const fileNames = ["apiKey", "authorities", "certificate", "certificateKey"] as const;

/** NVIDIA's image with perf_analyzer, of the release that is served. */
export function sdkImage(release: Release): string {
  return `nvcr.io/nvidia/tritonserver:${release}-py3-sdk`;
}

/** Of a Job that has ended; long enough that nobody takes one away that is read. */
const secondsKept = 300;

export function benchmarkJob(
  { id, image, cpu, deadline, hasSecret }: BenchmarkJobArgs,
  kubernetes: Pick<KubernetesConfig, "namespace" | "imagePullSecrets">,
): IJob {
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: metadataOf(id, kubernetes),
    spec: {
      // One that fails is told, and not tried again.
      backoffLimit: 0,
      activeDeadlineSeconds: deadline,
      ttlSecondsAfterFinished: secondsKept,
      template: {
        metadata: { labels: { ...selectorOf(id) } },
        spec: {
          restartPolicy: "Never",
          // `sleep` as a container's first process does not listen to being told to end.
          terminationGracePeriodSeconds: 1,
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          securityContext: restrictedPod,
          ...pullSecrets(kubernetes),
          containers: [
            {
              name: "load",
              image,
              // Until it is removed, or its time is over.
              command: ["sleep", String(deadline)],
              env: [{ name: "HOME", value: "/tmp" }],
              securityContext: restrictedContainer,
              // A limit of cpu would be measured in the server's place.
              resources: { requests: { cpu: String(cpu), memory: "2Gi" }, limits: { memory: "2Gi" } },
              volumeMounts: [
                { name: "tmp", mountPath: "/tmp" },
                ...(hasSecret ? [{ name: "secret", mountPath: benchmarkFiles.folder, readOnly: true }] : []),
              ],
            },
          ],
          volumes: [
            { name: "tmp", emptyDir: {} },
            ...(hasSecret
              ? [{ name: "secret", secret: { secretName: nameOf(id), defaultMode: 0o440 } }]
              : []),
          ],
        },
      },
    },
  };
}

/** Goes with the Job, whose `uid` the API server gave. */
interface Owned {
  readonly id: string;
  readonly uid: string;
}

/** What the pod reads as files. */
export function benchmarkSecret(
  { id, uid }: Owned,
  files: Readonly<Partial<Record<Exclude<keyof typeof benchmarkFiles, "folder">, string>>>,
  kubernetes: Pick<KubernetesConfig, "namespace">,
): ISecret {
  return {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { ...metadataOf(id, kubernetes), ownerReferences: [ownerOf(id, uid)] },
    type: "Opaque",
    stringData: Object.fromEntries(
      fileNames.flatMap((name) => {
        const text = files[name];
        return text === undefined ? [] : [[posix.basename(benchmarkFiles[name]), text]];
      }),
    ),
  };
}

/** The pod reaches the balancer and nothing else, but for DNS, which every pod of the platform may ask. None where policies are off. */
export function benchmarkPolicies(
  { id, uid }: Owned,
  servers: readonly string[],
  kubernetes: Pick<KubernetesConfig, "namespace" | "networkPolicies" | "balancer">,
): INetworkPolicy[] {
  if (!kubernetes.networkPolicies.enabled) return [];
  const groupPorts = servers.flatMap((server) => groupGrpcPort(kubernetes.balancer, server) ?? []);
  const open = [ports.http, ports.grpc, ...groupPorts].map((port) => ({ protocol: "TCP" as const, port }));
  const policy = (subject: string, pods: Selector, spec: object): INetworkPolicy => ({
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: {
      ...metadataOf(id, kubernetes),
      name: `${nameOf(id)}-${subject}`,
      ownerReferences: [ownerOf(id, uid)],
    },
    spec: { podSelector: { matchLabels: { ...pods } }, ...spec },
  });
  return [
    policy("load", selectorOf(id), {
      policyTypes: ["Ingress", "Egress"],
      egress: [{ to: [{ podSelector: { matchLabels: { ...balancerSelector } } }], ports: open }],
    }),
    policy("balancer", balancerSelector, {
      policyTypes: ["Ingress"],
      ingress: [{ from: [{ podSelector: { matchLabels: { ...selectorOf(id) } } }], ports: open }],
    }),
  ];
}

/** Of the Job, and the beginning of all other names. */
export function nameOf(id: string): string {
  return `triton-benchmark-${id}`;
}

/** Labels by which the Job's pod is found. */
export function selectorOf(id: string): Selector {
  return { "app.kubernetes.io/name": "triton-benchmark", "app.kubernetes.io/instance": id, ...partOf };
}

function metadataOf(
  id: string,
  { namespace }: Pick<KubernetesConfig, "namespace">,
): { readonly name: string; readonly namespace: string; readonly labels: Record<string, string> } {
  return {
    name: nameOf(id),
    namespace,
    labels: { ...selectorOf(id), "app.kubernetes.io/managed-by": "triton-platform-bench" },
  };
}

function ownerOf(
  id: string,
  uid: string,
): { readonly apiVersion: string; readonly kind: string; readonly name: string; readonly uid: string } {
  return { apiVersion: "batch/v1", kind: "Job", name: nameOf(id), uid };
}
