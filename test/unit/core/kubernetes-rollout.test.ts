import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  a100,
  keda,
  objectsOf,
  onCpu,
  onGpu,
  onPremises,
  planCluster,
} from "../../support/kubernetes-servers.ts";
import type { ClusterFields } from "../../support/kubernetes-servers.ts";

type ServerFields = NonNullable<ClusterFields["servers"]>[string];

const surge = { maxSurge: 1, maxUnavailable: 0 };
const oneAway = { maxSurge: 0, maxUnavailable: 1 };

function rollOf(server: ServerFields, nodes?: ClusterFields["nodes"]) {
  const { servers, problems } = planCluster([server.accelerator === undefined ? onCpu : onGpu], {
    servers: { gpu: server },
    kubernetes: { autoscaler: keda },
    ...(nodes === undefined ? {} : { nodes }),
  });
  return { problems, strategy: servers[0]?.objects.deployment.spec.strategy?.rollingUpdate };
}

describe("a group of the two A100 of a cluster of one's own", () => {
  const nodes = { onprem: onPremises(2) };

  it("that uses one of them gets its next replica before the old one goes", () => {
    expect(rollOf({ accelerator: a100 }, nodes)).toEqual({ problems: [], strategy: surge });
  });

  it("that uses both lets one replica go before its successor comes", () => {
    expect(rollOf({ accelerator: a100, replicas: 2 }, nodes)).toEqual({ problems: [], strategy: oneAway });
  });

  it("of one replica on both is refused, with how long it would be away", () => {
    const { problems } = rollOf({ accelerator: { ...a100, count: 2 } }, nodes);
    expect(problems).toMatchObject([
      { file: "Pulumi.test.yaml", path: "triton-platform:servers.gpu.allowDowntime" },
    ]);
    expect(problems[0]?.message).toContain("cannot roll without a gap");
    expect(problems[0]?.hint).toMatch(/allowDowntime: true.* for \d+ s or longer/);
  });

  it("of one replica on both rolls with a gap where that is allowed, and nothing keeps it from being moved", () => {
    const server = { accelerator: { ...a100, count: 2 }, allowDowntime: true };
    expect(rollOf(server, nodes)).toEqual({ problems: [], strategy: oneAway });
    const objects = objectsOf([onGpu], { servers: { gpu: server }, nodes });
    expect(objects.podDisruptionBudget).toBeUndefined();
  });

  it("that is allowed to be away is not, where there is room", () => {
    expect(rollOf({ accelerator: a100, allowDowntime: true }, nodes).strategy).toEqual(surge);
  });

  it("shares the room with the other groups", () => {
    const { problems } = planCluster([onGpu, { ...onGpu, spec: { ...onGpu.spec, name: "other" } }], {
      servers: {
        gpu: { accelerator: a100, models: ["on-gpu"] },
        other: { accelerator: a100, models: ["other"] },
      },
      nodes,
    });
    expect(problems.map(({ path }) => path)).toEqual([
      "triton-platform:servers.gpu.allowDowntime",
      "triton-platform:servers.other.allowDowntime",
    ]);
  });

  it("that scales to both lets none go below the maximum, and one at it", () => {
    const autoscaling = { minReplicas: 1, maxReplicas: 2 };
    expect(rollOf({ accelerator: a100, autoscaling }, nodes)).toEqual({
      problems: [],
      strategy: { maxSurge: 1, maxUnavailable: "50%" },
    });
  });

  it("has room in the place of its headroom", () => {
    const autoscaling = { minReplicas: 1, maxReplicas: 1, headroom: 1 };
    expect(rollOf({ accelerator: a100, autoscaling }, nodes)).toEqual({ problems: [], strategy: surge });
  });

  it("that does not find room at all has that one problem", () => {
    expect(rollOf({ accelerator: a100, replicas: 3 }, nodes).problems).toHaveLength(1);
    const autoscaling = { minReplicas: 1, maxReplicas: 3 };
    expect(rollOf({ accelerator: a100, autoscaling }, nodes).problems).toMatchObject([
      { path: "triton-platform:servers.gpu" },
    ]);
    const reserved = { minReplicas: 1, maxReplicas: 1, headroom: 2 };
    expect(rollOf({ accelerator: a100, autoscaling: reserved }, nodes).problems).toHaveLength(1);
  });
});

describe("on nodes that nobody named", () => {
  it.each([
    { what: "groups without a GPU surge", server: {}, strategy: surge },
    {
      what: "several replicas on GPUs do not",
      server: { accelerator: a100, replicas: 2 },
      strategy: oneAway,
    },
    { what: "one replica on a GPU is never away unasked", server: { accelerator: a100 }, strategy: surge },
    {
      what: "one replica on a GPU that may be away is",
      server: { accelerator: a100, allowDowntime: true },
      strategy: oneAway,
    },
    {
      what: "replicas that scale on GPUs have one away at the maximum",
      server: { accelerator: a100, autoscaling: { maxReplicas: 3 } },
      strategy: { maxSurge: 1, maxUnavailable: "34%" },
    },
  ])("$what", ({ server, strategy }) => {
    expect(rollOf(server)).toEqual({ problems: [], strategy });
  });
});

describe("any rollout", () => {
  const anyServer = fc.record({
    gpus: fc.integer({ min: 0, max: 2 }),
    replicas: fc.integer({ min: 1, max: 6 }),
    minReplicas: fc.option(fc.integer({ min: 0, max: 6 }), { nil: undefined }),
    nodes: fc.option(fc.integer({ min: 1, max: 8 }), { nil: undefined }),
    allowDowntime: fc.boolean(),
  });

  it("gets on, has at most one replica away, and the last one only where that is allowed", () => {
    fc.assert(
      fc.property(anyServer, ({ gpus, replicas, minReplicas, nodes, allowDowntime }) => {
        const server: ServerFields = {
          ...(gpus === 0 ? {} : { accelerator: { ...a100, count: gpus } }),
          ...(minReplicas === undefined || minReplicas > replicas
            ? { replicas }
            : { autoscaling: { minReplicas, maxReplicas: replicas } }),
          allowDowntime,
        };
        const pool = nodes === undefined ? undefined : { pool: onPremises(2, { count: nodes }) };
        const { strategy, problems } = rollOf(server, pool);
        const away = (count: number) => roundedDown(strategy?.maxUnavailable, count);
        expect(Number(strategy?.maxSurge) + away(replicas)).toBeGreaterThanOrEqual(1);
        expect(away(replicas)).toBeLessThanOrEqual(1);
        const gap = away(1) > 0 && replicas === 1;
        const refused = problems.some(({ path }) => path.endsWith(".allowDowntime"));
        if (gap) expect(allowDowntime || refused).toBe(true);
        if (refused) expect(gap).toBe(true);
      }),
      { numRuns: 60 },
    );
  });
});

/** As the Deployment controller reads `maxUnavailable`. */
function roundedDown(value: string | number | undefined, replicas: number): number {
  return typeof value === "string" ? Math.floor((Number.parseInt(value) * replicas) / 100) : (value ?? 0);
}
