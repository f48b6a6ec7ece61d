import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { planStack } from "../../commands/stack/kubernetes.ts";
import { noConfig } from "../../core/policy/config.ts";
import { environmentOf } from "../../core/policy/environment.ts";
import { evaluate, formatViolation } from "../../core/policy/evaluate.ts";
import { kubernetesResources } from "../../core/policy/plan.ts";
import { policyRules } from "../../core/policy/rules/index.ts";
import { parsePlatform } from "../../core/spec/platform.ts";
import { clusterSuite, missingForSimulated, SimulatedCluster } from "../support/cluster.ts";
import { eventsOf } from "../support/policy-events.ts";
import { TestStack } from "../support/stack.ts";
import { projectRoot } from "../support/tools.ts";

/** The policy pack on the target `kubernetes`, and the same verdicts from the plan as from the engine. */

const config = {
  "triton-platform:target": "kubernetes",
  "triton-platform:models": path.join(projectRoot, "models"),
  "triton-platform:defaultServer": "gpu",
  "triton-platform:servers": {
    gpu: { replicas: 2, accelerator: { gpu: "a100-80gb" } },
    llm: { models: ["llm-backend"], replicas: 2 },
  },
  "triton-platform:kubernetes": {
    context: "local",
    repository: { source: "s3", bucket: "models" },
  },
  "holysheep:baseUrl": "https://api.holysheep.ai/v1",
  "holysheep:model": "deepseek-v3-250328",
};

const unsafe = {
  ...config,
  "triton-platform:environment": "prod",
  "triton-platform:servers": { ...config["triton-platform:servers"], llm: { models: ["llm-backend"] } },
  "triton-platform:kubernetes": {
    ...config["triton-platform:kubernetes"],
    networkPolicies: { enabled: false },
    balancer: { service: { type: "LoadBalancer" } },
  },
};

describe.skipIf(missingForSimulated.length > 0)(
  clusterSuite("the policy pack on the kubernetes target", missingForSimulated),
  () => {
    let cluster: SimulatedCluster;
    let stack: TestStack;
    const endings: (() => unknown)[] = [];

    beforeAll(async () => {
      cluster = await SimulatedCluster.start();
      endings.unshift(() => cluster.stop());
      stack = await TestStack.create(config, {
        KUBECONFIG: cluster.kubeconfig,
        PULUMI_DEBUG_COMMANDS: "true",
      });
      endings.unshift(() => {
        stack.remove();
      });
      await stack.setSecret("holysheep:apiKey", "of a test");
    });

    afterAll(async () => {
      for (const end of endings) await end();
    });

    /** Verdicts of the engine's preview, sorted. */
    async function inTheEngine(values: Readonly<Record<string, unknown>>) {
      const log = path.join(stack.directory, "events.json");
      stack.configure(values);
      const { code, text } = await stack.preview(
        ...["--policy-pack", path.join(projectRoot, "policy"), "--event-log", log],
      );
      const verdicts = eventsOf(log).map(({ policyName, enforcementLevel, message }) => {
        // The engine puts the policy's description before the message.
        return `${enforcementLevel} ${policyName} ${message.slice(message.indexOf("\n") + 1)}`;
      });
      return { code, text, verdicts: verdicts.sort() };
    }

    /** Those of the plan, sorted. */
    function inThePlan(values: Readonly<Record<string, unknown>>): readonly string[] {
      const parsed = parsePlatform(values, "Pulumi.test.yaml");
      if ("problems" in parsed) throw new Error(JSON.stringify(parsed.problems));
      const { plan } = planStack({ config: parsed.value, hasApiKey: true, file: "Pulumi.test.yaml" });
      const settings = { environment: environmentOf(parsed.value), config: noConfig };
      return evaluate(policyRules, kubernetesResources(plan, "test"), settings)
        .map(({ rule, level, resource, finding }) =>
          "undecided" in finding ? "" : `${level} ${rule.id} ${formatViolation(resource, finding)}`,
        )
        .sort();
    }

    it("has nothing against a careful stack", async () => {
      const { code, text, verdicts } = await inTheEngine(config);
      expect(code, text).toBe(0);
      expect(verdicts).toEqual([]);
      expect(inThePlan(config)).toEqual([]);
    });

    it("refuses a careless one, with the plan's own words", async () => {
      const { code, verdicts } = await inTheEngine(unsafe);
      expect(code).not.toBe(0);
      expect(verdicts).toEqual(inThePlan(unsafe));
      const rules = new Set(verdicts.map((line) => line.split(" ", 2).join(" ")));
      expect([...rules]).toEqual([
        "mandatory balancer-authenticates",
        "mandatory balancer-not-public",
        "mandatory image-digest",
        "mandatory network-default-deny",
        "mandatory prod-disruption-budget",
        "mandatory prod-replicas",
      ]);
    });
  },
);
