import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startApiServer, type ApiServer } from "../support/aws-mocks.ts";
import { runOf } from "../support/aws-stacks.ts";
import { graphText } from "../support/graph.ts";
import { projectRoot } from "../support/tools.ts";

let apiServer: ApiServer;

beforeAll(async () => {
  apiServer = await startApiServer();
});

afterAll(() => apiServer.stop());

/** Where clients call: by the name in Route 53 where there is one, under the TLS that the load balancer ends. */
const outputsOf: Readonly<Record<string, object>> = {
  dev: {
    endpoints: {
      http: "http://nlb.elb.us-east-1.amazonaws.com:8000",
      grpc: "nlb.elb.us-east-1.amazonaws.com:8001",
    },
    address: "nlb.elb.us-east-1.amazonaws.com",
  },
  prod: {
    endpoints: { http: "https://models.example.com:8000", grpc: "models.example.com:8001" },
    address: "nlb.elb.us-east-1.amazonaws.com",
    dnsName: "models.example.com",
  },
};

/**
 * All that the committed stacks register, as reviewers see it in a pull request. After a change that is meant: `npx vitest
 * run --project program test/program/aws-stacks.test.ts --update`, and read the difference.
 */
describe.each(["dev", "bench", "prod-base", "prod"])("the stack %s", (stack) => {
  it("registers what was reviewed", async () => {
    const { resources, outputs } = await runOf(stack, apiServer);
    expect(outputs).toMatchObject(outputsOf[stack] ?? {});
    const text = graphText(resources).replaceAll(apiServer.endpoint, "https://api.example.com");
    expect(text).not.toContain("sk-planted");
    await expect(text).toMatchFileSnapshot(
      path.join(projectRoot, "test", "golden", "graphs", `${stack}.yaml`),
    );
  });
});
