import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type * as z from "zod";
import { chartProblems, gpuCharts } from "../../../core/kubernetes/charts.ts";
import { kubernetesSchema } from "../../../core/spec/kubernetes.ts";

type Fields = NonNullable<z.input<typeof kubernetesSchema>["gpu"]>;

function configOf(gpu: Fields, namespace = "triton") {
  return kubernetesSchema.parse({
    repository: { source: "persistentVolumeClaim", claimName: "models" },
    gpu,
    namespace,
  });
}

function gpuOf(gpu: Fields) {
  return configOf(gpu).gpu;
}

const everywhere = [{ operator: "Exists" }];

describe("charts of GPU add-ons", () => {
  it("are none by default", () => {
    expect(gpuCharts(gpuOf({}))).toEqual([]);
  });

  it("are the device plugin with the labels that servers choose nodes by", () => {
    const [release, ...rest] = gpuCharts(gpuOf({ addon: "device-plugin" }));
    expect(rest).toEqual([]);
    expect(release).toMatchObject({
      name: "nvidia-device-plugin",
      namespace: "gpu-addons",
      repository: "https://nvidia.github.io/k8s-device-plugin",
      chart: "nvidia-device-plugin",
      values: {
        migStrategy: "mixed",
        tolerations: everywhere,
        gfd: { enabled: true },
        nfd: { enabled: true, worker: { tolerations: everywhere } },
      },
    });
  });

  it("are the GPU operator, driver and toolkit as it has them", () => {
    const [release, ...rest] = gpuCharts(gpuOf({ addon: "gpu-operator", migStrategy: "single" }));
    expect(rest).toEqual([]);
    expect(release).toMatchObject({
      name: "gpu-operator",
      chart: "gpu-operator",
      values: {
        mig: { strategy: "single" },
        dcgmExporter: { enabled: true },
        daemonsets: { tolerations: everywhere },
        "node-feature-discovery": { worker: { tolerations: everywhere } },
      },
    });
    expect(Object.keys(release?.values ?? {})).not.toContain("driver");
  });

  it("are DCGM's exporter beside either, on GPU nodes alone", () => {
    const releases = gpuCharts(gpuOf({ addon: "device-plugin", dcgmExporter: true, namespace: "gpus" }));
    expect(releases.map(({ name, namespace }) => [name, namespace])).toEqual([
      ["nvidia-device-plugin", "gpus"],
      ["dcgm-exporter", "gpus"],
    ]);
    expect(releases[1]?.values).toMatchObject({
      nodeSelector: { "nvidia.com/gpu.present": "true" },
      serviceMonitor: { enabled: false },
    });
    expect(gpuCharts(gpuOf({ dcgmExporter: true })).map(({ name }) => name)).toEqual(["dcgm-exporter"]);
  });

  it("come from where the config says, in its version", () => {
    const mirror = { repository: "oci://registry.local/charts", chart: "plugin", version: "0.19.3" };
    expect(gpuCharts(gpuOf({ addon: "device-plugin", devicePlugin: mirror }))[0]).toMatchObject(mirror);
  });
});

describe("values of the config", () => {
  const gpuOperator = {
    repository: "r",
    chart: "c",
    version: "1",
    values: {
      driver: { enabled: false },
      toolkit: { enabled: false },
      dcgmExporter: { serviceMonitor: { enabled: true } },
      daemonsets: { tolerations: [{ key: "gpu", operator: "Exists" }] },
    },
  };

  it("go over the platform's own as Helm merges them", () => {
    expect(gpuCharts(gpuOf({ addon: "gpu-operator", gpuOperator }))[0]?.values).toEqual({
      mig: { strategy: "mixed" },
      driver: { enabled: false },
      toolkit: { enabled: false },
      dcgmExporter: {
        enabled: true,
        config: { name: "dcgm-counters" },
        env: [{ name: "DCGM_EXPORTER_COLLECTORS", value: "/etc/dcgm-exporter/dcgm-metrics.csv" }],
        serviceMonitor: { enabled: true },
      },
      daemonsets: { tolerations: [{ key: "gpu", operator: "Exists" }] },
      "node-feature-discovery": { worker: { tolerations: everywhere } },
    });
  });

  it("are all there, whatever they are, and nothing of the platform's is lost beside them", () => {
    const keys = fc.constantFrom("mig", "strategy", "dcgmExporter", "enabled", "x", "__proto__");
    const { values } = fc.letrec<{ value: unknown; values: Record<string, unknown> }>((tie) => ({
      value: fc.oneof({ depthSize: "small" }, fc.constantFrom(1, true, null, "x", ["y"]), tie("values")),
      values: fc.dictionary(keys, tie("value"), { noNullPrototype: true }),
    }));
    const own = gpuCharts(gpuOf({ addon: "gpu-operator" }))[0]?.values ?? {};
    fc.assert(
      fc.property(values, (given) => {
        const gpu = gpuOf({ addon: "gpu-operator" });
        const merged =
          gpuCharts({ ...gpu, gpuOperator: { ...gpu.gpuOperator, values: given } })[0]?.values ?? {};
        const found = new Map(nodesOf(merged));
        const ofGiven = nodesOf(given);
        for (const [path, value] of ofGiven) if (!isMap(value)) expect(found.get(path)).toEqual(value);
        for (const [path, value] of nodesOf(own)) {
          const isReplaced = ofGiven.some(
            ([other, over]) => path === other || (!isMap(over) && path.startsWith(`${other}/`)),
          );
          if (!isReplaced) expect(found.get(path)).toEqual(isMap(value) ? expect.anything() : value);
        }
        // As it was: nothing of one release gets into another.
        expect(gpuCharts(gpu)[0]?.values).toEqual(own);
      }),
    );
  });
});

describe("the choice of charts", () => {
  it("has a problem where DCGM's exporter would be there twice", () => {
    const config = configOf({ addon: "gpu-operator", dcgmExporter: true });
    const problems = chartProblems(config, "Pulumi.prod.yaml");
    expect(problems.map(({ file, path }) => [file, path])).toEqual([
      ["Pulumi.prod.yaml", "triton-platform:kubernetes.gpu.dcgmExporter"],
    ]);
  });

  it.each(["none", "device-plugin"] as const)("has none with %s", (addon) => {
    expect(chartProblems(configOf({ addon, dcgmExporter: true }), "f")).toEqual([]);
    expect(chartProblems(configOf({ addon: "gpu-operator" }), "f")).toEqual([]);
  });

  it("has a problem where they would be in the servers' namespace", () => {
    const inOne = (gpu: Fields) => chartProblems(configOf({ namespace: "ml", ...gpu }, "ml"), "f");
    const paths = ["triton-platform:kubernetes.gpu.namespace"];
    expect(inOne({ addon: "device-plugin" }).map(({ path }) => path)).toEqual(paths);
    expect(inOne({ dcgmExporter: true }).map(({ path }) => path)).toEqual(paths);
    expect(inOne({})).toEqual([]);
  });
});

/** All values by their path, maps among them. */
function nodesOf(value: unknown, path = ""): [string, unknown][] {
  const inner = isMap(value) ? Object.entries(value) : [];
  return [[path, value], ...inner.flatMap(([key, one]) => nodesOf(one, `${path}/${key}`))];
}

function isMap(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
