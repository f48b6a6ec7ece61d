import type { StackValidationPolicy } from "@pulumi/policy";
import { expect, it } from "vitest";
import { policyRules } from "../../core/policy/rules/index.ts";
import { policyOf } from "../../policy/policies.ts";

/** What the pack makes of what the engine shows it; the rules themselves have tests of their own. */

const deployment = "kubernetes:apps/v1:Deployment";
const serving = {
  metadata: { name: "triton-gpu", namespace: "triton" },
  spec: {
    template: {
      metadata: { labels: { app: "triton" } },
      spec: { containers: [{ name: "triton", ports: [{ containerPort: 8000 }] }] },
    },
  },
};

function validate(props: Readonly<Record<string, unknown>>): {
  readonly reported: readonly string[];
  readonly thrown?: unknown;
} {
  const rule = policyRules.find(({ id }) => id === "prod-disruption-budget");
  if (rule === undefined) throw new Error("there is no such rule");
  const { validateStack }: Partial<StackValidationPolicy> = { ...policyOf(rule, "prod") };
  if (validateStack === undefined) throw new Error("it looks at single resources");
  const resource = { type: deployment, name: "triton-gpu-deployment", urn: "urn", props, opts: {} };
  const args = { getConfig: () => ({}), resources: [{ ...resource, propertyDependencies: {} }] };
  const reported: string[] = [];
  try {
    // The SDK hands over more, which the pack does not look at.
    Reflect.apply(validateStack, undefined, [args, (message: string) => reported.push(message)]);
  } catch (thrown) {
    return { reported, thrown };
  }
  return { reported };
}

it("refuses what it sees", () => {
  expect(validate(serving).reported).toEqual([expect.stringContaining("no PodDisruptionBudget")]);
});

it("says that it cannot decide, and refuses nothing, where the cluster is not there yet", () => {
  // The engine shows objects of a provider that is not known without anything in them.
  const { reported, thrown } = validate({});
  expect(reported).toEqual([]);
  expect(String(thrown)).toContain("can't be known during preview");
});
