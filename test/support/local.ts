import { planLocal, type LocalOptions, type LocalPlan } from "../../core/local/plan.ts";
import { planPlatform } from "../../core/platform.ts";
import { refuse } from "../../core/spec/problem.ts";
import type { Platform } from "./platform-arbitraries.ts";
import { modelOf, platformOf } from "./models.ts";

export const tools = {
  python: "/project/.local/venv/bin/python",
  triton: "/opt/tritonserver",
  libraryPath: "/opt/tritonserver/external_libs",
  environmentHash: "3.11 abc",
  haproxy: "/usr/sbin/haproxy",
  prometheus: "/usr/bin/prometheus",
  promtool: "/usr/bin/promtool",
};

/** The local target's plan of a platform without problems. */
export function localPlanOf({ models, config }: Platform, options: Partial<LocalOptions> = {}): LocalPlan {
  const { value, problems } = planPlatform(models, config, "Pulumi.test.yaml");
  refuse(problems);
  return planLocal(value.servers, {
    config,
    tools,
    project: "/project",
    hasApiKey: false,
    simulatorHash: "abc",
    ...options,
  });
}

/** The text of one of the plan's files. */
export function fileOf(plan: LocalPlan, name: string): string {
  const file = plan.files.find((candidate) => candidate.name === name);
  if (file === undefined) throw new Error(`the plan has no file ${name}`);
  return file.content;
}

/** Two GPU replicas with two models, and a group for an API whose calls cost money and keep to one server. */
export const twoGroups: Platform = {
  models: [
    modelOf("embedding-model", { backend: "onnxruntime", callTimeout: "10s" }),
    modelOf("text-labels", { backend: "onnxruntime", callTimeout: "10s" }),
    modelOf("llm-backend", {
      upstream: "holysheep",
      callTimeout: "125s",
      idempotent: false,
      conversationAffinity: true,
    }),
  ],
  config: platformOf({ servers: { gpu: { replicas: 2 }, llm: { models: ["llm-backend"] } } }),
};
