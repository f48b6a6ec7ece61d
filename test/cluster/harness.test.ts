import { existsSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { IPod, IPodSpec, IToleration } from "kubernetes-models/v1";
import * as z from "zod";
import { endProcesses, mountsBelow } from "../support/cluster-remains.ts";
import {
  clusterSuite,
  missingForReal,
  missingForSimulated,
  RealCluster,
  SimulatedCluster,
  waitFor,
  type Cluster,
} from "../support/cluster.ts";

const podSchema = z.object({
  spec: z.object({ nodeName: z.string().optional() }),
  status: z.object({
    podIP: z.string().optional(),
    conditions: z
      .array(z.object({ type: z.string(), status: z.string(), reason: z.string().optional() }))
      .default([]),
  }),
});
type Pod = z.output<typeof podSchema>;

function hasCondition({ status }: Pod, type: string, value: string): boolean {
  return status.conditions.some((condition) => condition.type === type && condition.status === value);
}

function pod(name: string, spec: IPodSpec): IPod {
  return { apiVersion: "v1", kind: "Pod", metadata: { name, labels: { app: name } }, spec };
}

/** A pod once it has a condition. */
async function awaitPod(cluster: Cluster, name: string, type: string, value = "True"): Promise<Pod> {
  return waitFor(`pod ${name} with ${type}=${value}`, async () => {
    const seen = await cluster.read(podSchema, "get", "pod", name);
    return hasCondition(seen, type, value) && seen;
  });
}

function expectNothingLeft({ directory }: Cluster): void {
  expect(existsSync(directory)).toBe(false);
  expect(mountsBelow(directory)).toEqual([]);
  expect(endProcesses(directory)).toBe(true);
}

describe.skipIf(missingForSimulated.length > 0)(
  clusterSuite("a simulated cluster", missingForSimulated),
  () => {
    let cluster: SimulatedCluster;
    beforeAll(async () => {
      cluster = await SimulatedCluster.start();
    });
    afterAll(async () => {
      await cluster.stop();
      expectNothingLeft(cluster);
    });

    it("places a pod that asks for a GPU where it tolerates the node", async () => {
      await cluster.addGpuNode({
        name: "gpu-1a",
        instanceType: "p4de.24xlarge",
        gpus: 8,
        product: "NVIDIA-A100-SXM4-80GB",
        memoryMiB: 81920,
      });
      await cluster.addCpuNode({ name: "cpu-1a", instanceType: "m7i.large", cpus: 16, memoryGiB: 64 });
      const containers = [{ name: "server", image: "any", resources: { limits: { "nvidia.com/gpu": 1 } } }];
      const tolerations: IToleration[] = [
        { key: "nvidia.com/gpu", operator: "Exists", effect: "NoSchedule" },
      ];
      await cluster.apply(pod("tolerating", { containers, tolerations }), pod("strict", { containers }));

      expect((await awaitPod(cluster, "tolerating", "Ready")).spec.nodeName).toBe("gpu-1a");
      const refused = await awaitPod(cluster, "strict", "PodScheduled", "False");
      expect(refused.spec.nodeName).toBeUndefined();
      expect(refused.status.conditions).toContainEqual(expect.objectContaining({ reason: "Unschedulable" }));
    });

    it("refuses fields that the API does not know", async () => {
      const misspelt = { ...pod("misspelt", { containers: [{ name: "a", image: "any" }] }), spek: {} };
      await expect(cluster.apply(misspelt)).rejects.toThrow(/unknown field "spek"/);
    });
  },
);

const doubling = {
  "config.pbtxt": `backend: "python"
input [{ name: "IN", data_type: TYPE_FP32, dims: [2] }]
output [{ name: "OUT", data_type: TYPE_FP32, dims: [2] }]
instance_group [{ kind: KIND_CPU }]
`,
  "model.py": `import triton_python_backend_utils as pb

class TritonPythonModel:
    def execute(self, requests):
        arrays = [pb.get_input_tensor_by_name(request, "IN").as_numpy() for request in requests]
        return [pb.InferenceResponse([pb.Tensor("OUT", array * 2)]) for array in arrays]
`,
};

const triton: IPodSpec = {
  automountServiceAccountToken: false,
  securityContext: {
    runAsNonRoot: true,
    runAsUser: 1000,
    runAsGroup: 1000,
    seccompProfile: { type: "RuntimeDefault" },
  },
  containers: [
    {
      name: "triton",
      image: "local/triton:1",
      imagePullPolicy: "Never",
      command: ["tritonserver"],
      args: ["--model-repository=/models", "--disable-auto-complete-config"],
      securityContext: {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ["ALL"] },
      },
      readinessProbe: { httpGet: { path: "/v2/health/ready", port: 8000 }, periodSeconds: 1 },
      volumeMounts: [
        { name: "model", mountPath: "/models/double" },
        { name: "tmp", mountPath: "/tmp" },
      ],
    },
  ],
  volumes: [
    {
      name: "model",
      configMap: {
        name: "double",
        items: [
          { key: "config.pbtxt", path: "config.pbtxt" },
          { key: "model.py", path: "1/model.py" },
        ],
      },
    },
    { name: "tmp", emptyDir: {} },
  ],
};

describe.skipIf(missingForReal.length > 0)(clusterSuite("a real node", missingForReal), () => {
  let cluster: RealCluster;
  beforeAll(async () => {
    cluster = await RealCluster.start();
  });
  afterAll(async () => {
    await cluster.stop();
    expectNothingLeft(cluster);
  });

  it("runs Triton without rights, and finds it by name", async () => {
    await cluster.nameImage("docker.io/local/triton:1");
    await cluster.apply(
      { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "double" }, data: doubling },
      {
        apiVersion: "v1",
        kind: "Service",
        metadata: { name: "triton" },
        spec: { clusterIP: "None", selector: { app: "triton" }, ports: [{ name: "http", port: 8000 }] },
      },
      pod("triton", triton),
    );
    const address = (await awaitPod(cluster, "triton", "Ready")).status.podIP ?? "";

    const answer = await fetch(`http://${address}:8000/v2/models/double/infer`, {
      method: "POST",
      body: JSON.stringify({ inputs: [{ name: "IN", datatype: "FP32", shape: [2], data: [1, 2.5] }] }),
    });
    const tensors = z.object({ outputs: z.array(z.object({ data: z.array(z.number()) })) });
    expect(tensors.parse(await answer.json()).outputs).toEqual([{ data: [2, 5] }]);

    const resolve = "import socket; print(socket.gethostbyname('triton.default.svc.cluster.local'))";
    const resolved = await waitFor("the name of the headless Service", () =>
      cluster.kubectl("exec", "triton", "--", "python3", "-c", resolve),
    );
    expect(resolved.trim()).toBe(address);
  });

  it("has an S3 server and the LLM simulator for pods that want them", async () => {
    const serve = (name: string, ...command: string[]): IPod =>
      pod(name, {
        containers: [
          {
            name,
            image: "local/triton-platform-test:1",
            imagePullPolicy: "Never",
            command,
            readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 },
          },
        ],
      });
    await cluster.apply(
      serve("s3", "python3", "-m", "moto.server", "-H", "0.0.0.0", "-p", "8080"),
      serve("llm", "python3", "/opt/llm_simulator", "--host", "0.0.0.0", "--port", "8080"),
    );
    const address = async (name: string): Promise<string> =>
      `http://${(await awaitPod(cluster, name, "Ready")).status.podIP ?? ""}:8080`;
    expect((await fetch(`${await address("s3")}/models`, { method: "PUT" })).status).toBe(200);
    expect((await fetch(`${await address("llm")}/healthz`)).status).toBe(200);
  });
});
