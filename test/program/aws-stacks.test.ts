import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readStack } from "../../commands/stack/config.ts";
import { loadModels } from "../../core/spec/load.ts";
import { servesModels } from "../../core/spec/platform.ts";
import { awsStandIns, startApiServer, type ApiServer } from "../support/aws-mocks.ts";
import { graphText } from "../support/graph.ts";
import { register, type Registered } from "../support/stack-mocks.ts";
import { projectRoot } from "../support/tools.ts";

let apiServer: ApiServer;

beforeAll(async () => {
  apiServer = await startApiServer();
});

afterAll(() => apiServer.stop());

async function graphOf(stack: string): Promise<readonly Registered[]> {
  const { config, file } = readStack(stack);
  const { resources } = await register(async () => {
    const { target } = await import("../../components/aws/target.ts");
    const models = servesModels(config) ? loadModels(path.resolve(projectRoot, config.models)).value : [];
    const prepared = target.prepare(models, { config, project: projectRoot, file, stack });
    if ("problems" in prepared) throw new Error(JSON.stringify(prepared.problems, undefined, 2));
    return prepared.value.build();
  }, awsStandIns(apiServer.endpoint));
  return resources;
}

/**
 * All that the committed stacks register, as reviewers see it in a pull request. After a change that is meant: `npx vitest
 * run --project program test/program/aws-stacks.test.ts --update`, and read the difference.
 */
describe.each(["dev", "prod-base", "prod"])("the stack %s", (stack) => {
  it("registers what was reviewed", async () => {
    const text = graphText(await graphOf(stack)).replaceAll(apiServer.endpoint, "https://api.example.com");
    expect(text).not.toContain("sk-planted");
    await expect(text).toMatchFileSnapshot(
      path.join(projectRoot, "test", "golden", "graphs", `${stack}.yaml`),
    );
  });
});
