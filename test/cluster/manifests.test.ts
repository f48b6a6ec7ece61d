import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as z from "zod";
import { readStack } from "../../commands/stack/config.ts";
import { prepareKubernetes } from "../../components/kubernetes/prepare.ts";
import { benchmarkJob, benchmarkPolicies, benchmarkSecret } from "../../core/kubernetes/benchmark-job.ts";
import { objectsOf } from "../../core/kubernetes/render.ts";
import { loadModels } from "../../core/spec/load.ts";
import { kubernetesOf, type PlatformConfig } from "../../core/spec/platform.ts";
import { ProblemsError } from "../../core/spec/problem.ts";
import { clusterSuite, missingForSimulated, SimulatedCluster } from "../support/cluster.ts";
import { defineCustomResources } from "../support/custom-resources.ts";
import { platformOf } from "../support/models.ts";
import { projectRoot } from "../support/tools.ts";

const anObject = z.looseObject({
  kind: z.string(),
  metadata: z.looseObject({ name: z.string(), namespace: z.string().optional() }),
});
type AnyObject = z.output<typeof anObject>;

/** What the two stacks to start from have not: slices, volumes, HPA v2, certificates of clients. */
const other = platformOf({
  target: "kubernetes",
  servers: {
    gpu: {
      accelerator: { gpu: "a100-80gb", mig: "2g.20gb" },
      autoscaling: { maxReplicas: 3, headroom: 1 },
    },
    llm: { models: ["llm-backend"], replicas: 1 },
  },
  kubernetes: {
    context: "local",
    namespace: "other",
    createNamespace: false,
    imagePullSecrets: ["registry"],
    repository: { source: "persistentVolumeClaim", claimName: "models", path: "triton" },
    autoscaler: { kind: "hpa" },
    gpu: { migStrategy: "single", runtimeClassName: "nvidia" },
    networkPolicies: {
      upstream: { cidrs: ["10.1.0.0/16", "fd00:1::/64"], port: 8443 },
      dns: ["10.0.0.10/32"],
    },
    balancer: {
      tls: { secretName: "tls" },
      clientCertificates: { secretName: "clients" },
      rateLimits: { search: { requests: 10, period: "1s" } },
      proxyProtocol: true,
      service: { type: "NodePort", externalTrafficPolicy: "Local" },
    },
  },
});

const stacks: readonly (readonly [name: string, config: () => PlatformConfig])[] = [
  ["onprem", () => readStack("onprem").config],
  ["cloud", () => readStack("cloud").config],
  ["another with the rest of the options", () => other],
];

describe.skipIf(missingForSimulated.length > 0)(
  clusterSuite("the API server, with unknown fields forbidden,", missingForSimulated),
  () => {
    let cluster: SimulatedCluster | undefined;
    const existing = new Set<string>();

    beforeAll(async () => {
      cluster = await SimulatedCluster.start();
      await defineCustomResources(cluster);
    });

    afterAll(async () => {
      await cluster?.stop();
    });

    it.each(stacks)("takes every object of the stack %s", async (stackName, config) => {
      const stack = config();
      // Of its own: what one stack has made is not for the next to change.
      const namespace = `stack-${String(stacks.findIndex(([name]) => name === stackName))}`;
      const objects = objectsOfStack({ ...stack, kubernetes: { ...kubernetesOf(stack), namespace } });
      const kinds = new Set(objects.map(({ kind }) => kind));
      expect(kinds.size).toBeGreaterThan(6);
      // Those that are there before, on a cluster of somebody's own.
      const made = new Set(
        objects.flatMap(({ kind, metadata }) => (kind === "Namespace" ? [metadata.name] : [])),
      );
      const wanted = new Set(objects.flatMap(({ metadata: { namespace: place } }) => place ?? []));
      for (const place of wanted) {
        if (made.has(place) || existing.has(place)) continue;
        await cluster?.kubectl("create", "namespace", place);
        existing.add(place);
      }
      await cluster?.applyOnServer(objects);
    });

    it("takes what a benchmark makes beside a stack", async () => {
      const kubernetes = { ...kubernetesOf(other), namespace: "benchmark" };
      const owned = { id: "0a1b2c3d", uid: "00000000-0000-4000-8000-000000000000" };
      const objects = [
        benchmarkJob(
          { ...owned, image: "example.com/sdk:1", cpu: 2, deadline: 60, hasSecret: true },
          kubernetes,
        ),
        benchmarkSecret(owned, { apiKey: "key", authorities: "certificates" }, kubernetes),
        ...benchmarkPolicies(owned, ["gpu", "llm"], kubernetes),
      ].map((object) => anObject.parse(object));
      expect(objects.map(({ kind }) => kind)).toEqual(["Job", "Secret", "NetworkPolicy", "NetworkPolicy"]);
      await cluster?.kubectl("create", "namespace", kubernetes.namespace);
      await cluster?.applyOnServer(objects);
    });

    it("refuses a field that there is not", async () => {
      const [first] = objectsOfStack(other).filter(({ kind }) => kind === "Deployment");
      const wrong = { ...first, spec: { ...z.looseObject({}).parse(first?.spec), replica: 2 } };
      await expect(cluster?.applyOnServer([wrong])).rejects.toThrow(/replica/);
    });
  },
);

/** What a stack with the models of this project would create. */
function objectsOfStack(config: PlatformConfig): AnyObject[] {
  const { value: models } = loadModels(path.join(projectRoot, "models"));
  const prepared = prepareKubernetes(models, "Pulumi.test.yaml", {
    config,
    project: projectRoot,
    hasApiKey: true,
  });
  if ("problems" in prepared) throw new ProblemsError(prepared.problems);
  return objectsOf(prepared.value.plan).map((object) => anObject.parse(object));
}
