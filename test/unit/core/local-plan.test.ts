import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { LocalPlan, ProcessPlan } from "../../../core/local/plan.ts";
import { platform, type Platform } from "../../support/platform-arbitraries.ts";
import { localPlanOf, twoGroups } from "../../support/local.ts";
import { modelOf, platformOf } from "../../support/models.ts";

function processOf(plan: LocalPlan, name: string): ProcessPlan {
  const found = plan.processes.find((process) => process.name === name);
  if (found === undefined) throw new Error(`the plan has no process ${name}`);
  return found;
}

const namesOf = (plan: LocalPlan): string[] => plan.processes.map(({ name }) => name);

describe("the plan of this machine", () => {
  it("of two groups has these processes, in this order", () => {
    const plan = localPlanOf(twoGroups);
    expect(plan.processes.map(({ name, after, ports }) => ({ name, after, ports }))).toEqual([
      { name: "llm-simulator", after: [], ports: [18900] },
      { name: "gpu-0", after: [], ports: [18000, 18001, 18002] },
      { name: "gpu-1", after: ["gpu-0"], ports: [18003, 18004, 18005] },
      { name: "llm-0", after: ["llm-simulator"], ports: [18030, 18031, 18032] },
      { name: "balancer", after: ["gpu-0", "gpu-1", "llm-0"], ports: [8000, 8001, 8002, 8010, 8011] },
      { name: "prometheus", after: [], ports: [9090] },
    ]);
    expect(plan.description.endpoints).toEqual({
      http: "http://127.0.0.1:8000",
      grpc: "127.0.0.1:8001",
      metrics: "http://127.0.0.1:8002/metrics",
      prometheus: "http://127.0.0.1:9090",
    });
  });

  it("gives every process ports of its own", () => {
    fc.assert(
      fc.property(platform, (any) => {
        const ports = localPlanOf(any).processes.flatMap((process) => process.ports);
        expect(new Set(ports).size).toBe(ports.length);
      }),
      { numRuns: 30 },
    );
  });

  it("gives every process a name of its own, and lets it wait for earlier ones only", () => {
    fc.assert(
      fc.property(platform, (any) => {
        const earlier = new Set<string>();
        for (const { name, after } of localPlanOf(any).processes) {
          expect(earlier).not.toContain(name);
          for (const other of after) expect(earlier).toContain(other);
          earlier.add(name);
        }
      }),
      { numRuns: 30 },
    );
  });

  it("starts the replicas of a group one after the other, so that a change never takes all of them", () => {
    fc.assert(
      fc.property(platform, (any) => {
        const plan = localPlanOf(any);
        for (const { replicas } of plan.servers) {
          replicas.forEach(({ name }, i) => {
            const before = replicas.slice(0, i).at(-1);
            expect(processOf(plan, name).after).toEqual(before === undefined ? [] : [before.name]);
          });
        }
      }),
      { numRuns: 30 },
    );
  });

  it("reloads balancer and Prometheus when their files change, and restarts Tritons when their models do", () => {
    const change: Platform = {
      ...twoGroups,
      models: twoGroups.models.map((model) =>
        model.spec.name === "text-labels"
          ? modelOf("text-labels", { backend: "onnxruntime", maxBatchSize: 9 })
          : model,
      ),
    };
    const [before, after] = [localPlanOf(twoGroups), localPlanOf(change)];
    const changed = namesOf(before).filter(
      (name) => processOf(before, name).configHash !== processOf(after, name).configHash,
    );
    expect(changed).toEqual(["gpu-0", "gpu-1", "balancer"]);
    expect(processOf(before, "balancer").reloadSignal).toBe("USR2");
    expect(processOf(before, "prometheus").reloadSignal).toBe("HUP");
    expect(processOf(before, "gpu-0").reloadSignal).toBeUndefined();
  });

  it("drains a Triton from every backend it is in before it is stopped", () => {
    const plan = localPlanOf(twoGroups);
    expect(processOf(plan, "gpu-1").drain).toEqual({
      socket: "/project/.local/run/haproxy.sock",
      entries: { http: ["http-gpu/gpu-1"], grpc: ["grpc-gpu/gpu-1"] },
      ports: { http: 18003, grpc: 18004 },
      timeout: 15,
    });
    expect(processOf(plan, "llm-0").drain?.entries).toEqual({
      http: ["http-llm/llm-0", "http-llm.conversations/llm-0"],
      grpc: ["grpc-llm/llm-0", "grpc-llm.conversations/llm-0"],
    });
  });

  it("keeps a repository in a folder named by its content, which its Tritons read", () => {
    const plan = localPlanOf(twoGroups);
    const [repository] = plan.repositories;
    const hash = plan.servers[0]?.plan.repository.hash ?? "";
    expect(repository?.directory).toBe(`/project/.local/repositories/gpu/${hash.slice(0, 16)}`);
    for (const name of ["gpu-0", "gpu-1"]) {
      expect(processOf(plan, name).command).toContain(`--model-repository=${repository?.directory ?? ""}`);
    }
  });
});

describe("the LLM's API", () => {
  it("is the simulator while there is no key, and the real one with it", () => {
    const simulated = localPlanOf(twoGroups, { hasApiKey: false });
    expect(processOf(simulated, "llm-0").environment).toMatchObject({
      HOLYSHEEP_BASE_URL: "http://127.0.0.1:18900/v1",
      HOLYSHEEP_MODEL: "some-model",
    });
    const real = localPlanOf(twoGroups, { hasApiKey: true });
    expect(namesOf(real)).not.toContain("llm-simulator");
    expect(processOf(real, "llm-0")).toMatchObject({
      after: [],
      environment: { HOLYSHEEP_BASE_URL: "https://api.example.com/v1" },
    });
  });

  it("is not simulated where no model calls it", () => {
    const plan = localPlanOf({ models: [modelOf("a")], config: platformOf() });
    expect(namesOf(plan)).toEqual(["gpu-0", "balancer", "prometheus"]);
  });

  it("has its key in a file that only its own Tritons are told of; the plan holds no key", () => {
    for (const hasApiKey of [false, true]) {
      const plan = localPlanOf(twoGroups, { hasApiKey });
      const told = plan.processes
        .filter(({ environment }) => Object.keys(environment).some((name) => name.includes("HOLYSHEEP")))
        .map(({ name }) => name);
      expect(told).toEqual(["llm-0"]);
      const { environment } = processOf(plan, "llm-0");
      expect(environment.HOLYSHEEP_API_KEY_FILE).toBe("/project/.local/run/secrets/holysheep-api-key");
      // Whatever speaks of keys is the path of that file, or the header that callers are told apart by.
      const mentions = [
        ...JSON.stringify(plan).matchAll(/[\w./-]*(?:api[-_]?key|secret|token|password)[\w./-]*/gi),
      ];
      expect(new Set(mentions.map(([text]) => text))).toEqual(
        new Set(["HOLYSHEEP_API_KEY_FILE", "/project/.local/run/secrets/holysheep-api-key", "x-api-key"]),
      );
    }
  });
});
