import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startApiServer, type ApiServer } from "../support/aws-mocks.ts";
import { registeredBy } from "../support/aws-stacks.ts";
import { graphText } from "../support/graph.ts";
import { projectRoot } from "../support/tools.ts";

let apiServer: ApiServer;

beforeAll(async () => {
  apiServer = await startApiServer();
});

afterAll(() => apiServer.stop());

/**
 * All that the committed stacks register, as reviewers see it in a pull request. After a change that is meant: `npx vitest
 * run --project program test/program/aws-stacks.test.ts --update`, and read the difference.
 */
describe.each(["dev", "prod-base", "prod"])("the stack %s", (stack) => {
  it("registers what was reviewed", async () => {
    const text = graphText(await registeredBy(stack, apiServer)).replaceAll(
      apiServer.endpoint,
      "https://api.example.com",
    );
    expect(text).not.toContain("sk-planted");
    await expect(text).toMatchFileSnapshot(
      path.join(projectRoot, "test", "golden", "graphs", `${stack}.yaml`),
    );
  });
});
