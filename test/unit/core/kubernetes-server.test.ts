import { ScaledObject } from "@kubernetes-models/keda/keda.sh/v1alpha1/ScaledObject";
import fc from "fast-check";
import { Deployment } from "kubernetes-models/apps/v1/Deployment";
import { HorizontalPodAutoscaler } from "kubernetes-models/autoscaling/v2/HorizontalPodAutoscaler";
import { PodDisruptionBudget } from "kubernetes-models/policy/v1/PodDisruptionBudget";
import { PriorityClass } from "kubernetes-models/scheduling.k8s.io/v1/PriorityClass";
import { Service } from "kubernetes-models/v1/Service";
import { ServiceAccount } from "kubernetes-models/v1/ServiceAccount";
import { describe, expect, it } from "vitest";
import type { PodDeployment } from "../../../core/kubernetes/pod.ts";
import { headroomPriorityClass, type ServerObjects } from "../../../core/kubernetes/server.ts";
import { isServerTimingConsistent } from "../../../core/timing/kubernetes.ts";
import {
  a100,
  keda,
  objectsOf,
  onCpu,
  onGpu,
  onPremises,
  onUpstream,
  planCluster,
  slice,
  tritonOf,
  type ClusterFields,
} from "../../support/kubernetes-servers.ts";
import { modelOf } from "../../support/models.ts";

const podOf = ({ spec }: PodDeployment) => spec.template.spec;
const environmentOf = (deployment: PodDeployment) =>
  Object.fromEntries((tritonOf(deployment).env ?? []).map(({ name, value = "" }) => [name, value]));

describe("a group of two A100 on two cards of one's own", () => {
  const objects = objectsOf([onGpu], {
    servers: {
      gpu: { accelerator: a100, replicas: 2, resources: { cpu: 2.5, memory: "6GiB", sharedMemory: "2GiB" } },
    },
    nodes: { onprem: onPremises(2) },
  });
  const { deployment, service, serviceAccount, podDisruptionBudget } = objects;
  const pod = podOf(deployment);
  const triton = tritonOf(deployment);

  it("asks for a whole card, and has limits of all that cannot be taken back", () => {
    const disk = triton.resources?.requests?.["ephemeral-storage"];
    expect(triton.resources).toEqual({
      requests: { cpu: "2500m", memory: "8Gi", "ephemeral-storage": disk, "nvidia.com/gpu": "1" },
      limits: { memory: "8Gi", "ephemeral-storage": disk, "nvidia.com/gpu": "1" },
    });
    expect(pod.volumes).toContainEqual({ name: "shm", emptyDir: { medium: "Memory", sizeLimit: "2Gi" } });
  });

  it("runs on nodes with that card, and nowhere else on GPU nodes' terms", () => {
    expect(pod.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution).toEqual({
      nodeSelectorTerms: [
        {
          matchExpressions: [
            {
              key: "nvidia.com/gpu.product",
              operator: "In",
              values: ["NVIDIA-A100-SXM4-80GB", "NVIDIA-A100-80GB-PCIe"],
            },
          ],
        },
      ],
    });
    expect(pod.tolerations).toEqual([{ key: "nvidia.com/gpu", operator: "Exists" }]);
    expect(environmentOf(deployment)).not.toHaveProperty("NVIDIA_VISIBLE_DEVICES");
    expect(pod.topologySpreadConstraints?.map(({ topologyKey }) => topologyKey)).toEqual([
      "topology.kubernetes.io/zone",
      "kubernetes.io/hostname",
    ]);
  });

  it("runs Triton as it ran elsewhere, and gives calls as long to end as they may take", () => {
    expect(triton.image).toBe("nvcr.io/nvidia/tritonserver:26.07-py3");
    expect(triton.command).toEqual(["tritonserver"]);
    expect(triton.args).toEqual(
      expect.arrayContaining([
        "--model-control-mode=none",
        "--http-address=0.0.0.0",
        "--http-port=8000",
        "--grpc-port=8001",
        "--metrics-port=8002",
        `--exit-timeout-secs=${String(objects.timing.exit)}`,
      ]),
    );
  });

  it("is found by one headless Service, while it is ready", () => {
    expect(service.spec).toMatchObject({ clusterIP: "None", publishNotReadyAddresses: false });
    expect(service.spec?.ports?.map(({ name, port }) => `${name ?? ""} ${String(port)}`)).toEqual([
      "http 8000",
      "grpc 8001",
      "metrics 8002",
    ]);
    expect(deployment.spec.template.metadata?.labels).toMatchObject(service.spec?.selector ?? { none: "" });
    expect(deployment.spec.selector.matchLabels).toEqual(service.spec?.selector);
  });

  it("has two replicas, of which one at a time may be moved", () => {
    expect(deployment.spec.replicas).toBe(2);
    expect(podDisruptionBudget?.spec).toMatchObject({
      maxUnavailable: 1,
      unhealthyPodEvictionPolicy: "AlwaysAllow",
      selector: deployment.spec.selector,
    });
  });

  it("has an account of its own, without a token", () => {
    expect(pod.serviceAccountName).toBe(serviceAccount.metadata?.name);
    expect([serviceAccount.automountServiceAccountToken, pod.automountServiceAccountToken]).toEqual([
      false,
      false,
    ]);
  });
});

describe("a group on MIG slices", () => {
  it.each([
    {
      migStrategy: "mixed" as const,
      resource: "nvidia.com/mig-1g.10gb",
      product: "NVIDIA-A100-SXM4-80GB",
    },
    {
      migStrategy: "single" as const,
      resource: "nvidia.com/gpu",
      product: "NVIDIA-A100-SXM4-80GB-MIG-1g.10gb",
    },
  ])("asks for $resource where the strategy is $migStrategy", ({ migStrategy, resource, product }) => {
    const { deployment, headroom } = objectsOf([onGpu], {
      servers: { gpu: { accelerator: slice, autoscaling: { maxReplicas: 2, headroom: 1 } } },
      kubernetes: { gpu: { migStrategy }, autoscaler: keda },
    });
    for (const container of [tritonOf(deployment), headroom?.spec.template.spec.containers[0]]) {
      const devices = Object.keys(container?.resources?.limits ?? {}).filter((name) =>
        name.includes("nvidia"),
      );
      expect(devices).toEqual([resource]);
    }
    const [term] =
      podOf(deployment).affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution
        ?.nodeSelectorTerms ?? [];
    expect(term?.matchExpressions?.[0]?.values).toContain(product);
  });
});

describe("a group that calls HolySheep", () => {
  const { deployment } = objectsOf([onUpstream], {});

  it("reads the key from a folder that follows the Secret, and has it in no variable", () => {
    expect(environmentOf(deployment)).toMatchObject({
      HOLYSHEEP_BASE_URL: "https://api.example.com/v1",
      HOLYSHEEP_MODEL: "some-model",
      HOLYSHEEP_API_KEY_FILE: "/var/run/secrets/holysheep/api-key",
    });
    expect(podOf(deployment).volumes).toContainEqual({
      name: "holysheep",
      secret: { secretName: "holysheep", defaultMode: 0o440 },
    });
    const [mount] = (tritonOf(deployment).volumeMounts ?? []).filter(({ name }) => name === "holysheep");
    expect(mount).toEqual({ name: "holysheep", mountPath: "/var/run/secrets/holysheep", readOnly: true });
  });

  it("is let out by a label, and has nothing to do with GPUs", () => {
    expect(deployment.spec.template.metadata?.labels).toHaveProperty("triton-platform/upstream", "holysheep");
    expect(podOf(deployment)).not.toHaveProperty("tolerations");
    expect(environmentOf(deployment)).toHaveProperty("NVIDIA_VISIBLE_DEVICES", "void");
  });

  it("alone knows of the key", () => {
    const { deployment: other } = objectsOf([onCpu], {});
    expect(JSON.stringify(other)).not.toMatch(/holysheep/i);
    expect(other.spec.template.metadata?.labels).not.toHaveProperty("triton-platform/upstream");
  });
});

describe("another repository", () => {
  const hash = "a".repeat(64);
  const repositoryOf = (deployment: PodDeployment) =>
    deployment.spec.template.metadata?.annotations?.["triton-platform/repository"] ?? "";

  it("is another pod", () => {
    const first = repositoryOf(objectsOf([onCpu], {}).deployment);
    const second = repositoryOf(
      objectsOf([modelOf("on-cpu", { instances: [{ kind: "cpu" }] })], {}).deployment,
    );
    expect(first).toMatch(/^[0-9a-f]{64}$/);
    expect(second).toMatch(/^[0-9a-f]{64}$/);
    expect(second).not.toBe(first);
    expect(JSON.stringify(podOf(objectsOf([onCpu], {}).deployment))).toContain(first);
  });

  it("is served by roll-back, whatever the models' folder holds", () => {
    const { deployment } = objectsOf([onCpu], {
      servers: { gpu: { rollback: hash, resources: { disk: "3GiB" } } },
    });
    expect(repositoryOf(deployment)).toBe(hash);
    const current = repositoryOf(objectsOf([onCpu], {}).deployment);
    expect(JSON.stringify(deployment)).not.toContain(current);
    expect(tritonOf(deployment).args?.[0]).toContain(hash);
  });

  it("has the disk that the config gives to it, and the times of its size", () => {
    const plain = objectsOf([onCpu], {});
    const { deployment, timing } = objectsOf([onCpu], {
      servers: { gpu: { rollback: hash, resources: { disk: "60GiB" } } },
    });
    expect(tritonOf(deployment).resources?.limits?.["ephemeral-storage"]).toBe("60Gi");
    expect(podOf(deployment).volumes).toContainEqual({ name: "models", emptyDir: {} });
    // 60 GiB at 50 MiB/s, and loaded at 60 MB/s.
    expect(timing.download - plain.timing.download).toBeGreaterThanOrEqual((60 * 1024) / 50 - 1);
    expect(timing.startup - plain.timing.startup).toBeGreaterThanOrEqual(60 * 17);
    const probed = (of: PodDeployment) => tritonOf(of).startupProbe?.failureThreshold ?? 0;
    expect(probed(deployment)).toBeGreaterThan(probed(plain.deployment));
    const { progressDeadlineSeconds = 0 } = deployment.spec;
    expect(progressDeadlineSeconds).toBeGreaterThan(timing.download + timing.startup);
  });

  it("has no known size: a roll-back wants the disk in the config", () => {
    const { problems } = planCluster([onCpu], { servers: { gpu: { rollback: hash } } });
    expect(problems.map(({ path }) => path)).toEqual(["triton-platform:servers.gpu.resources.disk"]);
    expect(problems[0]?.hint).toContain(hash);
  });

  it("is the current one by a roll-back to it, whose size is known", () => {
    const plain = objectsOf([onCpu], {});
    const current = repositoryOf(plain.deployment);
    expect(objectsOf([onCpu], { servers: { gpu: { rollback: current } } })).toEqual(plain);
    const { problems } = planCluster([onCpu], {
      servers: { gpu: { rollback: current, resources: { disk: "10B" } } },
    });
    expect(problems).toMatchObject([{ path: "triton-platform:servers.gpu.resources.disk" }]);
  });

  it("is gone back to no further than the bucket holds them", () => {
    const { deployment } = objectsOf([onCpu], {
      kubernetes: { repository: { source: "s3", bucket: "models", retain: 3 } },
    });
    expect(deployment.spec.revisionHistoryLimit).toBe(3);
    const claim = { source: "persistentVolumeClaim", claimName: "models" } as const;
    expect(
      objectsOf([onCpu], { kubernetes: { repository: claim } }).deployment.spec.revisionHistoryLimit,
    ).toBe(10);
  });
});

describe("the image", () => {
  const vllm = modelOf("llm", {
    backend: "vllm",
    instances: [{ kind: "model" }],
    inputs: [{ name: "text_input", dataType: "STRING", dims: [1] }],
    outputs: [{ name: "text_output", dataType: "STRING", dims: [-1] }],
  });
  const imageOf = (models: Parameters<typeof planCluster>[0], fields: ClusterFields) => {
    const [server] = planCluster(models, fields).servers;
    return server && tritonOf(server.objects.deployment).image;
  };

  it("is NVIDIA's with the group's backends, of the platform's release", () => {
    expect(imageOf([onCpu], { tritonRelease: "25.10" })).toBe("nvcr.io/nvidia/tritonserver:25.10-py3");
    expect(imageOf([vllm, onCpu], {})).toBe("nvcr.io/nvidia/tritonserver:26.07-vllm-python-py3");
    expect(imageOf([vllm], { customBackends: ["vllm"] })).toBe("nvcr.io/nvidia/tritonserver:26.07-py3");
  });

  it("is the config's where it names one", () => {
    const triton = `registry.example/triton@sha256:${"0".repeat(64)}`;
    expect(imageOf([vllm], { kubernetes: { images: { triton } } })).toBe(triton);
  });
});

describe("an account with a role", () => {
  it("has the annotation of it, and still no token of the cluster's", () => {
    const role = { "eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/models" };
    const { serviceAccount } = objectsOf([onCpu], {
      kubernetes: { repository: { source: "s3", bucket: "models", serviceAccountAnnotations: role } },
    });
    expect(serviceAccount.metadata?.annotations).toEqual(role);
    expect(serviceAccount.automountServiceAccountToken).toBe(false);
  });
});

describe("names and sizes that cannot be", () => {
  const long = "a".repeat(57);

  it.each([
    { what: "the balancer's", server: "balancer", message: "in a cluster this is the balancer's name" },
    { what: "too long", server: long, message: `\`triton-${long}\` is too long for a Service's name` },
  ])("are a server's name that is $what", ({ server, message }) => {
    const { problems } = planCluster([onCpu], { servers: { [server]: {} }, defaultServer: server });
    expect(problems).toMatchObject([{ path: `triton-platform:servers.${server}`, message }]);
    const shorter = long.slice(1);
    expect(planCluster([onCpu], { servers: { [shorter]: {} }, defaultServer: shorter }).problems).toEqual([]);
  });

  it("are a disk that is smaller than the repository", () => {
    const { problems } = planCluster([onCpu], { servers: { gpu: { resources: { disk: "10B" } } } });
    expect(problems).toMatchObject([{ path: "triton-platform:servers.gpu.resources.disk" }]);
  });
});

const size = fc.constantFrom("512MiB", "3GiB", "1234567B");
const anyCluster: fc.Arbitrary<ClusterFields> = fc
  .record({
    accelerator: fc.constantFrom(undefined, a100, { ...a100, count: 2 }, slice, {
      ...slice,
      mig: "1g.10gb+me",
    }),
    replicas: fc.integer({ min: 1, max: 4 }),
    autoscaling: fc.option(
      fc.record({
        minReplicas: fc.integer({ min: 0, max: 2 }),
        maxReplicas: fc.integer({ min: 2, max: 5 }),
        metric: fc.constantFrom("queueTime" as const, "pendingRequests" as const),
        headroom: fc.integer({ min: 0, max: 2 }),
      }),
      { nil: undefined },
    ),
    resources: fc.record({ memory: size, sharedMemory: size, cpu: fc.constantFrom(0.1, 2) }),
    autoscaler: fc.constantFrom(keda, { kind: "hpa" as const }),
    migStrategy: fc.constantFrom("mixed" as const, "single" as const),
    repository: fc.constantFrom<NonNullable<ClusterFields["kubernetes"]>["repository"]>(
      { source: "s3", bucket: "models", credentialsSecret: "store" },
      { source: "s3", bucket: "models", delivery: "triton" },
      { source: "persistentVolumeClaim", claimName: "models" },
      { source: "image", reference: "registry.example/models:1" },
    ),
    imagePullSecrets: fc.constantFrom<string[]>([], ["registry"]),
  })
  .map(({ accelerator, replicas, autoscaling, resources, ...kubernetes }) => {
    const { autoscaler, migStrategy, repository, imagePullSecrets } = kubernetes;
    return {
      servers: {
        gpu: {
          replicas,
          resources,
          allowDowntime: true,
          ...(accelerator === undefined ? {} : { accelerator }),
          ...(autoscaling === undefined ? {} : { autoscaling }),
        },
      },
      kubernetes: {
        autoscaler,
        gpu: { migStrategy },
        imagePullSecrets,
        ...(repository === undefined ? {} : { repository }),
      },
    };
  });

const models = fc.constantFrom([onGpu], [onCpu], [onUpstream]);

function forAnyObjects(judge: (objects: ServerObjects) => void): void {
  fc.assert(
    fc.property(models, anyCluster, (served, fields) => {
      const [server] = planCluster(served, fields).servers;
      if (server === undefined) throw new Error("a platform has a server");
      judge(server.objects);
    }),
    { numRuns: 60 },
  );
}

const deploymentsOf = ({ deployment, headroom }: ServerObjects) =>
  headroom === undefined ? [deployment] : [deployment, headroom];
const containersOf = ({ spec }: PodDeployment) => [
  ...(spec.template.spec.initContainers ?? []),
  ...spec.template.spec.containers,
];

describe("the objects of any group", () => {
  it("are what the Kubernetes API and KEDA take", () => {
    forAnyObjects((objects) => {
      new ServiceAccount(objects.serviceAccount).validate();
      new Service(objects.service).validate();
      for (const deployment of deploymentsOf(objects)) new Deployment(deployment).validate();
      const { podDisruptionBudget, scaledObject, horizontalPodAutoscaler } = objects;
      if (podDisruptionBudget !== undefined) new PodDisruptionBudget(podDisruptionBudget).validate();
      if (scaledObject !== undefined) new ScaledObject(scaledObject).validate();
      if (horizontalPodAutoscaler !== undefined)
        new HorizontalPodAutoscaler(horizontalPodAutoscaler).validate();
    });
    new PriorityClass(headroomPriorityClass("triton")).validate();
  });

  it("meet the restricted pod standard, with a root that nobody writes to", () => {
    forAnyObjects((objects) => {
      for (const deployment of deploymentsOf(objects)) {
        const pod = podOf(deployment);
        expect(pod.securityContext).toMatchObject({
          runAsNonRoot: true,
          seccompProfile: { type: "RuntimeDefault" },
        });
        expect(pod.automountServiceAccountToken).toBe(false);
        for (const { securityContext } of containersOf(deployment)) {
          expect(securityContext).toMatchObject({
            allowPrivilegeEscalation: false,
            capabilities: { drop: ["ALL"] },
            readOnlyRootFilesystem: true,
          });
        }
      }
    });
  });

  it("ask for no more than their limits, and for a limit of all but the processor", () => {
    forAnyObjects((objects) => {
      for (const deployment of deploymentsOf(objects)) {
        for (const { resources } of containersOf(deployment)) {
          const { requests = {}, limits = {} } = resources ?? {};
          expect(Object.keys(requests)).toEqual(expect.arrayContaining(["cpu", "memory"]));
          for (const [resource, amount] of Object.entries(requests)) {
            if (resource === "cpu") continue;
            expect(amountOf(amount)).toBeLessThanOrEqual(amountOf(limits[resource] ?? 0));
          }
        }
      }
      // Shared memory is charged to the container that fills it.
      const { deployment } = objects;
      const shm = podOf(deployment).volumes?.find(({ name }) => name === "shm")?.emptyDir?.sizeLimit;
      const memory = tritonOf(deployment).resources?.limits?.memory;
      expect(amountOf(shm ?? 0)).toBeLessThan(amountOf(memory ?? 0));
    });
  });

  it("mount what they have, once, and each place once", () => {
    forAnyObjects(({ deployment }) => {
      const { volumes = [] } = podOf(deployment);
      const names = volumes.map(({ name }) => name);
      expect(new Set(names).size).toBe(names.length);
      for (const { volumeMounts = [], env = [] } of containersOf(deployment)) {
        const paths = volumeMounts.map(({ mountPath }) => mountPath);
        expect(new Set(paths).size).toBe(paths.length);
        expect(names).toEqual(expect.arrayContaining(volumeMounts.map(({ name }) => name)));
        expect(new Set(env.map(({ name }) => name)).size).toBe(env.length);
      }
    });
  });

  it("keep the budget of times", () => {
    fc.assert(
      fc.property(models, anyCluster, (served, fields) => {
        const [server] = planCluster(served, fields).servers;
        if (server === undefined) throw new Error("a platform has a server");
        const { deployment, timing } = server.objects;
        expect(isServerTimingConsistent(timing, server.plan.timing)).toBe(true);
        const { spec } = deployment;
        const { startupProbe, lifecycle } = tritonOf(deployment);
        const startup = (startupProbe?.periodSeconds ?? 0) * (startupProbe?.failureThreshold ?? 0);
        expect(startup).toBeGreaterThanOrEqual(timing.startup);
        expect(spec.progressDeadlineSeconds).toBeGreaterThan(startup + (spec.minReadySeconds ?? 0));
        expect(spec.template.spec.terminationGracePeriodSeconds).toBeGreaterThan(
          (lifecycle?.preStop?.sleep?.seconds ?? Infinity) + timing.exit,
        );
      }),
      { numRuns: 60 },
    );
  });

  it("have a budget that lets one replica be moved, where there may be several", () => {
    forAnyObjects(({ deployment, podDisruptionBudget, scaledObject, horizontalPodAutoscaler }) => {
      const most =
        scaledObject?.spec.maxReplicaCount ??
        horizontalPodAutoscaler?.spec.maxReplicas ??
        deployment.spec.replicas ??
        0;
      expect(podDisruptionBudget?.spec?.maxUnavailable).toBe(most > 1 ? 1 : undefined);
    });
  });
});

/** `8Gi`, `500m`, `2` as numbers. */
function amountOf(quantity: string | number): number {
  const [, digits = "", unit = ""] = /^(\d+)(m|Ki|Mi|Gi|Ti)?$/.exec(String(quantity)) ?? [];
  const units: Record<string, number> = {
    "": 1,
    m: 1e-3,
    Ki: 2 ** 10,
    Mi: 2 ** 20,
    Gi: 2 ** 30,
    Ti: 2 ** 40,
  };
  if (digits === "") throw new Error(`${String(quantity)} is no quantity`);
  return Number(digits) * (units[unit] ?? Number.NaN);
}
