import { describe, expect, it } from "vitest";
import { parsePlatform } from "../../../core/spec/platform.ts";

const file = "Pulumi.test.yaml";

function parse(values: Readonly<Record<string, unknown>>): ReturnType<typeof parsePlatform> {
  return parsePlatform(values, file);
}

const least = {
  "triton-platform:target": "local",
  "triton-platform:servers": { gpu: {} },
  "triton-platform:defaultServer": "gpu",
  "holysheep:baseUrl": "https://api.example.com/v1",
  "holysheep:model": "some-model",
};

describe("a stack's config", () => {
  it("comes with defaults", () => {
    expect(parse(least)).toEqual({
      value: {
        target: "local",
        models: "models",
        tritonRelease: "26.07",
        customBackends: [],
        customAgents: [],
        servers: { gpu: { replicas: 1, resources: {}, allowDowntime: false } },
        defaultServer: "gpu",
        nodes: {},
        usage: {},
        local: {
          directory: ".local",
          httpPort: 8000,
          grpcPort: 8001,
          metricsPort: 8002,
          prometheusPort: 9090,
          grafana: { enabled: true, port: 3080, image: "docker.io/grafana/grafana:13.1.3" },
          serverGrpcPorts: 8010,
          replicaPorts: 18000,
          simulatorPort: 18900,
        },
        monitoring: {
          thresholds: {
            failureRatio: 0.05,
            queueTime: 100_000,
            pendingRequests: 100,
            gpuMemory: 0.95,
            gpuTemperature: 85,
            gpuThrottling: 0.1,
            certificateExpiry: 21 * 86_400e6,
          },
          runbooks: "docs/runbooks",
          speedUp: 1,
        },
        holysheep: { baseUrl: "https://api.example.com/v1", model: "some-model" },
      },
    });
  });

  it("reads server groups with sizes in bytes", () => {
    const servers = { gpu: { replicas: 2, responseCache: "256MiB" }, llm: { models: ["llm-backend"] } };
    expect(parse({ ...least, "triton-platform:servers": servers })).toMatchObject({
      value: {
        servers: {
          gpu: { replicas: 2, responseCache: 2 ** 28 },
          llm: { models: ["llm-backend"], replicas: 1 },
        },
      },
    });
  });

  it("is refused with every problem at its path", () => {
    const parsed = parse({
      "triton-platform:target": "lokal",
      "triton-platform:servers": { GPU: {}, b: { replica: 2 }, c: { replicas: 0, models: [] } },
      "triton-platform:local": { httpPort: 70_000, grpcport: 1 },
      "holysheep:baseUrl": "api.example.com",
    });
    expect(parsed).toEqual({
      problems: [
        {
          file,
          path: "triton-platform:target",
          message: '"lokal" is not allowed',
          hint: "did you mean `local`?",
        },
        {
          file,
          path: "triton-platform:servers.GPU",
          message: '"GPU" is no name for a server',
          hint: "use lower-case letters, digits and -",
        },
        {
          file,
          path: "triton-platform:servers.b.replica",
          message: "unknown key `replica`",
          hint: "did you mean `replicas`?",
        },
        {
          file,
          path: "triton-platform:servers.c.models",
          message: "0 entries are too few",
          hint: "write at least 1",
        },
        {
          file,
          path: "triton-platform:servers.c.replicas",
          message: "0 is out of range",
          hint: "it must be at least 1",
        },
        { file, path: "triton-platform:defaultServer", message: "missing", hint: "add it; it is text" },
        {
          file,
          path: "triton-platform:local.httpPort",
          message: "70000 is out of range",
          hint: "it must be at most 65535",
        },
        {
          file,
          path: "triton-platform:local.grpcport",
          message: "unknown key `grpcport`",
          hint: "did you mean `grpcPort`?",
        },
        {
          file,
          path: "holysheep:baseUrl",
          message: '"api.example.com" is no URL',
          hint: "write it like https://api.holysheep.ai/v1",
        },
        { file, path: "holysheep:model", message: "missing", hint: "add it; it is text" },
      ],
    });
  });

  it.each([{ count: 2, maxCount: 1 }, { maxCount: 0 }])(
    "has no pool that shrinks when it scales: %o",
    (counts) => {
      const nodes = { pool: { instanceType: "g6.xlarge", ...counts } };
      expect(parse({ ...least, "triton-platform:nodes": nodes })).toEqual({
        problems: [
          {
            file,
            path: "triton-platform:nodes.pool.maxCount",
            message: "maxCount is less than count",
            hint: "write a number that is at least count, which is 1 where left out",
          },
        ],
      });
    },
  );

  it("needs at least one server", () => {
    expect(parse({ ...least, "triton-platform:servers": {} })).toMatchObject({
      problems: [{ path: "triton-platform:servers", message: "there is no server" }],
    });
  });
});
