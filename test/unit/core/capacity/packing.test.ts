import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ec2Node, ec2Types } from "../../../../core/capacity/nodes.ts";
import { minimumNodes, packPods, type PackedNode } from "../../../../core/capacity/packing.ts";
import { podRequests, type NodePool, type PodGroup } from "../../../../core/capacity/resources.ts";

const gibibyte = 1024 ** 3;
const resources = ["cpu", "memory", "nvidia.com/gpu"] as const;

const amounts = (max: number) =>
  fc.record(
    { cpu: fc.nat(max), memory: fc.nat(max), "nvidia.com/gpu": fc.nat(max) },
    { requiredKeys: ["cpu"] },
  );
const poolNames = ["p", "q"] as const;
const groups = fc.uniqueArray(
  fc.record(
    {
      name: fc.constantFrom("a", "b", "c"),
      replicas: fc.nat(3),
      requests: amounts(6),
      pools: fc.uniqueArray(fc.constantFrom(...poolNames), { maxLength: 2 }),
    },
    { requiredKeys: ["name", "replicas", "requests"] },
  ),
  { maxLength: 3, selector: ({ name }) => name },
);
const pools = fc.uniqueArray(
  fc.record(
    {
      name: fc.constantFrom(...poolNames),
      allocatable: amounts(10),
      daemonSets: amounts(2),
      size: fc.nat(1),
      max: fc.nat(2),
    },
    { requiredKeys: ["name", "allocatable", "size", "max"] },
  ),
  { minLength: 1, maxLength: 2, selector: ({ name }) => name },
);

/** Whether every pod can be put somewhere, by trying all nodes for each. */
function bruteForce(pods: readonly PodGroup[], nodePools: readonly NodePool[], grown: boolean): boolean {
  const nodes = nodePools.flatMap((pool) =>
    Array.from({ length: grown ? Math.max(pool.size, pool.max) : pool.size }, () => ({
      pool: pool.name,
      free: resources.map((name) => (pool.allocatable[name] ?? 0) - (pool.daemonSets?.[name] ?? 0)),
    })),
  );
  const queue = pods.flatMap((group) => Array.from({ length: group.replicas }, () => group));
  const place = (i: number): boolean => {
    const pod = queue[i];
    if (pod === undefined) return true;
    const asked = resources.map((name) => pod.requests[name] ?? 0);
    return nodes.some((node) => {
      if (pod.pools?.includes(node.pool) === false) return false;
      // A resource nobody asks for may be short, as where DaemonSets take more than there is.
      if (asked.some((amount, r) => amount > 0 && amount > (node.free[r] ?? 0))) return false;
      const before = [...node.free];
      node.free = node.free.map((amount, r) => amount - (asked[r] ?? 0));
      if (place(i + 1)) return true;
      node.free = before;
      return false;
    });
  };
  return place(0);
}

function verify(
  nodes: readonly PackedNode[],
  pods: readonly PodGroup[],
  nodePools: readonly NodePool[],
): void {
  for (const { name, replicas } of pods) {
    expect(nodes.reduce((sum, node) => sum + (node.pods[name] ?? 0), 0)).toBe(replicas);
  }
  for (const pool of nodePools) {
    const indices = nodes.filter((node) => node.pool === pool.name).map(({ index }) => index);
    expect(indices).toEqual(indices.map((_, i) => i));
    expect(indices.length).toBeLessThanOrEqual(Math.max(pool.size, pool.max));
  }
  for (const node of nodes) {
    const pool = nodePools.find(({ name }) => name === node.pool);
    for (const resource of resources) {
      const asked = pods.reduce((sum, { name, requests, pools: own }) => {
        const here = node.pods[name] ?? 0;
        if (here > 0) expect(own?.includes(node.pool) ?? true).toBe(true);
        return sum + here * (requests[resource] ?? 0);
      }, 0);
      const used = asked + (pool?.daemonSets?.[resource] ?? 0);
      expect(node.used[resource] ?? 0).toBe(used);
      if (asked > 0) expect(used).toBeLessThanOrEqual(pool?.allocatable[resource] ?? 0);
    }
  }
}

/** The lengths of 100 cut at these places. */
function pieces(places: readonly number[]): number[] {
  const ends = [...places, 100].sort((a, b) => a - b);
  return ends.map((end, i) => end - (ends[i - 1] ?? 0));
}

describe("packing of pods", () => {
  it("finds room just where trying all nodes finds it, and keeps every limit", () => {
    fc.assert(
      fc.property(groups, pools, (pods, nodePools) => {
        const packing = packPods(pods, nodePools);
        expect(packing.verdict).toBe(bruteForce(pods, nodePools, true) ? "fits" : "impossible");
        if (packing.verdict !== "fits") return;
        verify(packing.nodes, pods, nodePools);
        expect(packing.scalesOut).toBe(!bruteForce(pods, nodePools, false));
      }),
      { numRuns: 500 },
    );
  });

  it("finds room where all nodes have to be filled to the last bit", () => {
    const cuts = fc.record({
      cpu: fc.array(fc.integer({ min: 1, max: 99 }), { minLength: 1, maxLength: 3 }),
      memory: fc.array(fc.integer({ min: 1, max: 99 }), { minLength: 3, maxLength: 3 }),
    });
    fc.assert(
      fc.property(fc.array(cuts, { minLength: 2, maxLength: 3 }), (nodes) => {
        const pods = nodes.flatMap(({ cpu, memory }, n) => {
          const memories = pieces(memory.slice(0, cpu.length));
          return pieces(cpu).map((share, i) => ({
            name: `${String(n)}.${String(i)}`,
            replicas: 1,
            requests: { cpu: share, memory: memories[i] ?? 0 },
          }));
        });
        const pool = { name: "p", allocatable: { cpu: 100, memory: 100 }, size: nodes.length, max: 0 };
        const packing = packPods(pods, [pool]);
        expect(packing.verdict).toBe("fits");
        if (packing.verdict === "fits") verify(packing.nodes, pods, [pool]);
      }),
    );
  });

  it("keeps every limit on larger clusters, also where its steps run out", () => {
    const many = fc.uniqueArray(
      fc.record({
        name: fc.string({ minLength: 1, maxLength: 3 }),
        replicas: fc.nat(30),
        requests: fc.record({
          cpu: fc.integer({ min: 1, max: 60 }),
          memory: fc.integer({ min: 1, max: 60 }),
        }),
      }),
      { maxLength: 6, selector: ({ name }) => name },
    );
    fc.assert(
      fc.property(many, fc.nat(60), fc.nat(500), (pods, max, steps) => {
        const pool = { name: "p", allocatable: { cpu: 100, memory: 100 }, size: 0, max };
        const packing = packPods(pods, [pool], steps);
        if (packing.verdict === "fits") verify(packing.nodes, pods, [pool]);
      }),
    );
  });

  it("is never worse with larger nodes", () => {
    fc.assert(
      fc.property(groups, pools, fc.nat(5), (pods, nodePools, more) => {
        const larger = nodePools.map((pool) => ({
          ...pool,
          allocatable: { ...pool.allocatable, memory: (pool.allocatable.memory ?? 0) + more },
        }));
        if (packPods(pods, nodePools).verdict === "fits") expect(packPods(pods, larger).verdict).toBe("fits");
      }),
    );
  });

  it("counts the least nodes", () => {
    fc.assert(
      fc.property(groups, amounts(10), fc.nat(2), (pods, allocatable, other) => {
        const pool = { name: "p", allocatable, size: 0, max: 0 };
        const all = [{ ...pool, name: "q", max: other }, pool];
        const least = minimumNodes(pods, all, pool);
        const enough = (max: number) => bruteForce(pods, [...all.slice(0, 1), { ...pool, max }], true);
        if (least === undefined) expect(enough(9)).toBe(false);
        else {
          expect(enough(least)).toBe(true);
          if (least > 0) expect(enough(least - 1)).toBe(false);
        }
      }),
      { numRuns: 100 },
    );
  });

  const node = { cpu: 1_000, memory: 1_000 };
  const pod = (
    name: string,
    replicas: number,
    requests: PodGroup["requests"],
    own?: readonly string[],
  ): PodGroup => ({
    name,
    replicas,
    requests,
    ...(own === undefined ? {} : { pools: own }),
  });

  it.each([
    {
      what: "a pod larger than a node",
      pods: [pod("a", 1, { cpu: 1_500 })],
      proof: { by: "resource", pod: "a", resource: "cpu", largest: 1_000 },
      message:
        "a replica of `a` asks for 1.5 cores of cpu, and no node for it (2 × p) has more than 1 cores for pods",
      hint: "ask for less, or take larger nodes",
    },
    {
      what: "a pod that may run nowhere",
      pods: [pod("a", 1, { cpu: 1 }, ["q"])],
      proof: { by: "pools", pod: "a" },
      message: "no node for `a` (none) has all that a replica asks for",
      hint: "give it a pool of nodes that have all of it",
    },
    {
      what: "more large pods than nodes",
      pods: [pod("a", 3, { cpu: 600 })],
      proof: { by: "count", pod: "a", most: 2 },
      message: "`a` has 3 replicas, and the nodes for it (2 × p) have room for 2, even without others",
      hint: "allow more nodes (3 of pool `p` would do), take larger ones, or run fewer replicas",
    },
    {
      what: "more than all nodes",
      pods: [pod("a", 3, { cpu: 400 }), pod("b", 3, { cpu: 400 })],
      proof: { by: "total", pods: ["a", "b"], resource: "cpu", demand: 2_400, capacity: 2_000 },
      message: "`a`, `b` together ask for 2.4 cores of cpu, and the nodes for them (of 2 × p) have 2 cores",
      hint: "allow more nodes (3 of pool `p` would do), or run fewer replicas",
    },
    {
      what: "pods that do not divide a node",
      pods: [pod("a", 2, { cpu: 600 }), pod("b", 1, { cpu: 500 })],
      proof: { by: "nodes", pods: ["a", "b"], resource: "cpu", least: 3 },
      message:
        "`a`, `b` together need 3 nodes for their cpu, since they do not divide a node, and there are fewer for them (of 2 × p)",
      hint: "allow more nodes (3 of pool `p` would do), make the requests divide the nodes better, or run fewer replicas",
    },
    {
      what: "pods that go together in no way",
      pods: [pod("a", 2, { cpu: 400, memory: 800 }), pod("b", 1, { cpu: 800, memory: 100 })],
      proof: { by: "exhausted" },
      message:
        "the pods fit on 2 × p in no way (all were tried), although the sum of what they ask for would",
      hint: "allow more nodes (3 of pool `p` would do), or make the requests divide the nodes better",
    },
  ])("proves impossible: $what", ({ pods, proof, message, hint }) => {
    expect(packPods(pods, [{ name: "p", allocatable: node, size: 1, max: 2 }])).toMatchObject({
      verdict: "impossible",
      proof,
      problem: { message, hint },
    });
  });

  it("says so where its steps run out", () => {
    const pods = Array.from({ length: 9 }, (_, i) =>
      pod(`m${String(i)}`, 3, { cpu: 301 + i, memory: 309 - i }),
    );
    const pool = { name: "p", allocatable: node, size: 9, max: 9 };
    expect(packPods(pods, [pool], 5).verdict).toBe("undecided");
  });
});

describe("real clusters", () => {
  const p4de = ec2Types.find(({ name }) => name === "p4de.24xlarge");
  const gpuNode = p4de === undefined ? undefined : ec2Node(p4de, { disk: p4de.localDisk });
  const gpus = (size: number, max: number): NodePool => ({
    name: "gpu",
    allocatable: gpuNode?.allocatable ?? {},
    daemonSets: { cpu: 500, memory: gibibyte, pods: 6 },
    size,
    max,
  });
  const server = (replicas: number, devices: number, memory = 64): PodGroup => ({
    name: "triton",
    replicas,
    requests: podRequests({
      cpu: 8_000,
      memory: memory * gibibyte,
      shm: 2 * gibibyte,
      disk: 30 * gibibyte,
      devices: { "nvidia.com/gpu": devices },
    }),
  });

  it("puts 100 servers with a GPU each on 13 nodes with 8", () => {
    const packing = packPods([server(100, 1)], [gpus(2, 20)]);
    expect(packing).toMatchObject({ verdict: "fits", scalesOut: true });
    expect(packing.verdict === "fits" && packing.nodes.map(({ pods }) => pods.triton)).toEqual([
      ...Array.from({ length: 12 }, () => 8),
      4,
    ]);
    const few = packPods([server(100, 1)], [gpus(2, 12)]);
    expect(few.verdict === "impossible" && few.problem.hint).toContain("13 of pool `gpu` would do");
  });

  it("counts shared memory as memory", () => {
    // 7 × (148 + 2) GiB are 1050 GiB of the 1056 GiB that are left.
    expect(packPods([server(7, 1, 148)], [gpus(1, 1)]).verdict).toBe("fits");
    expect(packPods([server(7, 1, 149)], [gpus(1, 1)]).verdict).toBe("impossible");
  });

  it("places several groups on two pools", () => {
    const m7i = ec2Types.find(({ name }) => name === "m7i.large");
    const cpuNode = m7i === undefined ? undefined : ec2Node(m7i, { disk: 50 * gibibyte });
    const system: NodePool = { name: "system", allocatable: cpuNode?.allocatable ?? {}, size: 2, max: 3 };
    const small = (name: string, replicas: number, cpu: number): PodGroup => ({
      name,
      replicas,
      requests: podRequests({ cpu, memory: gibibyte, shm: 0, disk: gibibyte }),
      pools: ["system"],
    });
    const packing = packPods(
      [small("haproxy", 2, 500), small("prometheus", 1, 1_000), server(3, 4), small("proxy", 3, 700)],
      [system, gpus(2, 2)],
    );
    expect(packing).toMatchObject({ verdict: "fits", scalesOut: true });
    expect(packing.verdict === "fits" && packing.nodes.map(({ pool }) => pool)).toEqual([
      "system",
      "system",
      "system",
      "gpu",
      "gpu",
    ]);
  });
});
