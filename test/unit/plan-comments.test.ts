import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { plannedKubernetes } from "../../commands/plan/kubernetes.ts";
import { htmlProblems, htmlReport } from "../../core/plan/html.ts";
import { commentMarker, longestComment, markdownProblems, markdownReport } from "../../core/plan/markdown.ts";
import type { PlannedStack } from "../../core/plan/planned.ts";
import { isRefused, planReport, type PlanReport } from "../../core/plan/report.ts";
import { textReport } from "../../core/plan/text.ts";
import { noConfig } from "../../core/policy/config.ts";
import { policyRules } from "../../core/policy/rules/index.ts";
import type { Model } from "../../core/spec/load.ts";
import { ProblemsError, type Problem } from "../../core/spec/problem.ts";
import { modelOf as inMemory, platformOf, type PlatformFields, type SpecFields } from "../support/models.ts";
import { root } from "../support/platform.ts";

/**
 * Comments on pull requests for changes as teams make them, each in a file that a person has read as a stranger would:
 * what changes, is it safe, what does it cost.
 */

const embedding: SpecFields = {
  backend: "onnxruntime",
  maxBatchSize: 64,
  instances: [{ kind: "gpu", count: 2 }],
  batching: { preferredBatchSizes: [8, 16, 32], maxQueueDelay: "5ms", maxQueueSize: 512, timeout: "1s" },
  memory: { weights: "420MiB", workspacePerInstance: "900MiB" },
};
const llm: SpecFields = {
  upstream: "holysheep",
  instances: [{ kind: "cpu" }],
  batching: {},
  silenced: { "unbounded-queue": "max_pending bounds it" },
  parameters: { max_pending: "512", price_completion_usd: "0.42", price_reference_usd: "8" },
};

const digest = `@sha256:${"0123456789abcdef".repeat(4)}`;

type Stack = PlatformFields & { readonly kubernetes: NonNullable<PlatformFields["kubernetes"]> };

/** A careful stack of prod. */
const prod: Stack = {
  target: "kubernetes",
  environment: "prod",
  servers: {
    gpu: { replicas: 2, accelerator: { gpu: "a100-80gb" } },
    llm: { models: ["llm-backend"], replicas: 2 },
  },
  nodes: {
    a100: { instanceType: "p4de.24xlarge", count: 1, maxCount: 2 },
    workers: { instanceType: "m7i.2xlarge", count: 2, maxCount: 4 },
  },
  usage: { inferencesPerSecond: 850, tokensPerMonth: 10_000_000 },
  kubernetes: {
    context: "prod",
    createNamespace: false,
    repository: { source: "s3", bucket: "example-models" },
    images: {
      triton: `nvcr.io/nvidia/tritonserver:26.07-py3${digest}`,
      haproxy: `docker.io/library/haproxy:3.2.22${digest}`,
      loader: `docker.io/rclone/rclone:1.71.2${digest}`,
      pause: `registry.k8s.io/pause:3.10.1${digest}`,
    },
    externalSecrets: {
      store: { name: "aws-secrets-manager" },
      holysheepApiKey: { key: "triton/holysheep" },
    },
    balancer: {
      tls: { secretName: "triton-tls" },
      apiKeys: [{ caller: "team-search", sha256: "ab".repeat(32) }],
      service: { type: "LoadBalancer", loadBalancerSourceRanges: ["10.0.0.0/8"] },
    },
  },
};

const directory = mkdtempSync(path.join(tmpdir(), "tp-plan-"));
afterAll(() => {
  rmSync(directory, { recursive: true, force: true });
});

/** With a file, since problems name its lines. */
function modelOf(name: string, fields: SpecFields): Model {
  const folder = path.join(directory, name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, "model.yaml"), JSON.stringify(fields, undefined, 2));
  return { ...inMemory(name, fields), directory: folder };
}

const models = { embedding: modelOf("embedding-model", embedding), llm: modelOf("llm-backend", llm) };
const ours = Object.values(models);

function planned(fields: PlatformFields, all: readonly Model[] = ours, name = "prod"): PlannedStack {
  const stack = { config: platformOf(fields), hasApiKey: true, file: `Pulumi.${name}.yaml` };
  return plannedKubernetes(name, stack, { value: all, problems: [] });
}

function reportOf(
  stack: PlannedStack,
  base?: { readonly stack: PlannedStack; readonly label: string },
): PlanReport {
  const options = {
    rules: policyRules,
    environment: stack.environment,
    config: noConfig,
    priceNotes: ["prices are of 2026-07-20, 131 days ago: npm run prices fetches today's"],
  };
  if (base === undefined) return planReport(stack, options);
  const report = planReport(base.stack, options);
  return planReport(stack, { ...options, base: { label: base.label, files: base.stack.files, report } });
}

const main = { stack: planned(prod), label: "main" };
const changed = (fields: PlatformFields): PlanReport => reportOf(planned({ ...prod, ...fields }), main);
const withModels = (...all: readonly Model[]): PlanReport => reportOf(planned(prod, all), main);
const kubernetes = (fields: Partial<Stack["kubernetes"]>): PlatformFields => ({
  kubernetes: { ...prod.kubernetes, ...fields },
});

function problemsOf(fields: PlatformFields, all?: readonly Model[]): readonly Problem[] {
  try {
    planned({ ...prod, ...fields }, all);
  } catch (error) {
    if (error instanceof ProblemsError) return error.problems;
    throw error;
  }
  throw new Error("it was planned");
}

const servers = prod.servers ?? {};
const plans: Readonly<Record<string, () => PlanReport>> = {
  "nothing-changed": () => changed({}),
  "no-base": () => reportOf(main.stack),
  "model-added": () => withModels(...ours, modelOf("reranker", { ...embedding, maxBatchSize: 32 })),
  "model-removed": () =>
    reportOf(planned(prod), { ...main, stack: planned(prod, [...ours, modelOf("old", embedding)]) }),
  "batch-size-raised": () =>
    withModels(modelOf("embedding-model", { ...embedding, maxBatchSize: 128 }), models.llm),
  "queue-unbounded": () => withModels(modelOf("embedding-model", { ...embedding, batching: {} }), models.llm),
  "replica-floor-lowered": () =>
    changed({ servers: { ...servers, llm: { models: ["llm-backend"], replicas: 1 } } }),
  "instance-type-changed": () =>
    changed({
      servers: { ...servers, gpu: { replicas: 2, accelerator: { gpu: "l40s" } } },
      nodes: { ...prod.nodes, a100: { instanceType: "g6e.12xlarge", count: 1, maxCount: 2 } },
    }),
  "nodes-added": () =>
    changed({ nodes: { ...prod.nodes, a100: { instanceType: "p4de.24xlarge", count: 2, maxCount: 4 } } }),
  "image-without-digest": () =>
    changed(
      kubernetes({ images: { ...prod.kubernetes.images, triton: "nvcr.io/nvidia/tritonserver:26.07-py3" } }),
    ),
  "balancer-opened": () =>
    changed(
      kubernetes({
        balancer: { ...prod.kubernetes.balancer, apiKeys: undefined, service: { type: "LoadBalancer" } },
      }),
    ),
  "network-policies-off": () => changed(kubernetes({ networkPolicies: { enabled: false } })),
  "secret-in-a-parameter": () =>
    withModels(
      modelOf("embedding-model", {
        ...embedding,
        parameters: { api_key: ["sk", "planted0123456789abcdef"].join("-") },
      }),
      models.llm,
    ),
  mended: () =>
    reportOf(main.stack, {
      ...main,
      stack: planned({ ...prod, ...kubernetes({ networkPolicies: { enabled: false } }) }),
    }),
};

/** Made once for all tests but the one that makes them again. */
const reports = new Map<string, PlanReport>();

function reportNamed(name: string): PlanReport {
  const report = reports.get(name) ?? plans[name]?.();
  if (report === undefined) throw new Error(`there is no case ${name}`);
  reports.set(name, report);
  return report;
}

const misfits: Readonly<Record<string, () => readonly Problem[]>> = {
  "gpu-overcommitted": () =>
    problemsOf({}, [modelOf("embedding-model", { ...embedding, memory: { weights: "60GiB" } }), models.llm]),
  "node-type-without-the-card": () =>
    problemsOf({ nodes: { ...prod.nodes, a100: { instanceType: "p4d.24xlarge", count: 1 } } }),
};

const golden = (name: string): string => path.join(root, "test", "golden", "comments", name);

describe("the comment on a change", () => {
  it.each(Object.keys(plans))("%s is as it was read", async (name) => {
    await expect(markdownReport(reportNamed(name))).toMatchFileSnapshot(golden(`${name}.md`));
  });

  it.each(Object.entries(misfits))("%s says why there is no plan", async (name, problems) => {
    await expect(markdownProblems("prod", problems())).toMatchFileSnapshot(golden(`${name}.md`));
  });

  it("is the same every time", () => {
    for (const [name, report] of Object.entries(plans))
      expect(markdownReport(report())).toBe(markdownReport(reportNamed(name)));
  });

  it("refuses what policies refuse, and nothing else", () => {
    const refused = Object.keys(plans).filter((name) => isRefused(reportNamed(name)));
    expect(refused).toEqual([
      ...["queue-unbounded", "replica-floor-lowered", "image-without-digest", "balancer-opened"],
      ...["network-policies-off", "secret-in-a-parameter"],
    ]);
  });

  it("has no secret in it, in any form", () => {
    const report = reportNamed("secret-in-a-parameter");
    for (const text of [
      markdownReport(report),
      textReport(report),
      htmlReport(report),
      JSON.stringify(report),
    ])
      expect(text).not.toContain("planted");
  });

  it("stays below GitHub's limit, whatever it has to leave out", () => {
    const report = reportOf(
      planned(prod, [
        ...ours,
        ...Array.from({ length: 60 }, (_, i) =>
          modelOf(`m${String(i)}`, { ...embedding, instances: [{ kind: "cpu" }] }),
        ),
      ]),
      main,
    );
    for (const limit of [20_000, 5_000, 1_000]) {
      const text = markdownReport(report, limit);
      expect(text.length).toBeLessThanOrEqual(limit);
      expect(text.startsWith(commentMarker("prod"))).toBe(true);
      expect(text).toMatch(/too long for a comment/);
    }
    const [problem] = misfits["gpu-overcommitted"]?.() ?? [];
    const problems = Array.from({ length: 2_000 }, () => problem).flatMap((each) => each ?? []);
    expect(markdownProblems("prod", problems).length).toBeLessThanOrEqual(longestComment);
  });

  it("takes nothing that people write for markup", () => {
    const evil = "`</details>` <img src=x onerror=alert(1)> @everyone [a](b)\n# big";
    const problems: readonly Problem[] = [{ file: evil, path: "", message: evil, hint: evil }];
    const comment = markdownProblems("prod", problems);
    expect(comment).not.toMatch(/<img|<\/details>|[^\\]\[a\]|@everyone/);
    expect(htmlProblems(evil, problems)).not.toMatch(/<img|<\/details>/);
  });
});

describe("the other forms", () => {
  const report = reportNamed("replica-floor-lowered");

  it("text is as it was read", async () => {
    await expect(textReport(report)).toMatchFileSnapshot(golden("replica-floor-lowered.txt"));
  });

  it("a page refers to nothing outside itself", () => {
    const page = htmlReport(report);
    expect(page).not.toMatch(/(src|href)=|@import|url\(|<script/);
    expect(page).toContain("1 of at least 2 replicas");
  });
});
