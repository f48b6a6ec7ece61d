import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readStack } from "../../commands/stack/config.ts";
import { noConfig } from "../../core/policy/config.ts";
import { environmentOf } from "../../core/policy/environment.ts";
import { evaluate } from "../../core/policy/evaluate.ts";
import { stackType } from "../../core/policy/resources.ts";
import { policyRules } from "../../core/policy/rules/index.ts";
import type { PolicyResource } from "../../core/policy/rule.ts";
import { Value } from "../../core/policy/value.ts";
import { startApiServer, type ApiServer } from "../support/aws-mocks.ts";
import { runOf } from "../support/aws-stacks.ts";

/** What policies say of all that the committed stacks on AWS register: each passes those of its own environment. */

let apiServer: ApiServer;

beforeAll(async () => {
  apiServer = await startApiServer();
});

afterAll(() => apiServer.stop());

/** As the engine shows them: inputs, and the id by which others name them. */
async function resourcesOf(stack: string): Promise<readonly PolicyResource[]> {
  const { resources } = await runOf(stack, apiServer);
  const providers = resources.filter(({ type }) => type === "pulumi:providers:aws");
  const [provider] = providers;
  return [
    { type: stackType, name: stack, props: new Value({}) },
    ...resources.map(({ type, name, inputs, protect }) => ({
      ...{ type, name, isProtected: protect, props: new Value({ id: `${name}-id`, ...inputs }) },
      ...(type.startsWith("aws:") && provider !== undefined ? { provider: new Value(provider.inputs) } : {}),
    })),
  ];
}

describe.each(["bench", "dev", "prod-base", "prod"])("the stack %s", (stack) => {
  it("passes the policies of its environment", async () => {
    const settings = { environment: environmentOf(readStack(stack).config), config: noConfig };
    const verdicts = evaluate(policyRules, await resourcesOf(stack), settings);
    const lines = verdicts
      // Digests of images are for whoever deploys to look up: an example cannot know them.
      .filter(({ rule }) => rule.id !== "image-digest")
      .map(({ rule, resource, finding }) => `${rule.id} ${resource}: ${JSON.stringify(finding)}`);
    expect(lines).toEqual([]);
  });
});

it("most rules have something to look at in them", async () => {
  const all = [
    ...(await resourcesOf("dev")),
    ...(await resourcesOf("prod-base")),
    ...(await resourcesOf("prod")),
  ];
  const types = new Set(all.map(({ type }) => type));
  const idle = policyRules.filter((rule) => !rule.types.some((type) => types.has(type)));
  // No image is built, and nobody has static keys.
  expect(idle.map(({ id }) => id)).toEqual(["ecr-images-fixed", "iam-no-static-keys"]);
});
