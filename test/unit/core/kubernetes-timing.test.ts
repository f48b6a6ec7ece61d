import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { kubernetesSchema } from "../../../core/spec/kubernetes.ts";
import { timingBudget } from "../../../core/timing/budget.ts";
import {
  balancerTiming,
  isBalancerTimingConsistent,
  isServerTimingConsistent,
  serverTiming,
  type BalancerTiming,
  type ServerTiming,
} from "../../../core/timing/kubernetes.ts";

const bytes = fc.nat(2 ** 42);
/** Up to an hour. */
const call = fc.nat(3_600_000_000);
const source = fc.constantFrom(
  { source: "s3", bucket: "models" } as const,
  { source: "s3", bucket: "models", delivery: "triton" } as const,
  { source: "persistentVolumeClaim", claimName: "models" } as const,
  { source: "image", reference: "registry.example/models:1" } as const,
);

function configOf(repository: unknown, dnsTtl = "30s") {
  return kubernetesSchema.parse({ repository, dnsTtl });
}

describe("the times of a group's pods", () => {
  it("are consistent and in whole seconds, whatever is loaded, from wherever, and however long calls take", () => {
    fc.assert(
      fc.property(
        bytes,
        call,
        fc.integer({ min: 1, max: 100 }),
        source,
        fc.nat(600),
        (size, longest, replicas, repository, ttl) => {
          const budget = timingBudget(size, longest);
          const timing = serverTiming(budget, size, replicas, configOf(repository, `${String(ttl)}s`));
          expect(isServerTimingConsistent(timing, budget)).toBe(true);
          for (const seconds of Object.values<number>({ ...timing })) {
            expect(Number.isSafeInteger(seconds)).toBe(true);
            expect(seconds).toBeGreaterThan(0);
          }
        },
      ),
    );
  });

  it("give the download to whoever does it", () => {
    const size = 10 * 1024 ** 3;
    const budget = timingBudget(size, 45_000);
    const timesOf = (delivery: "loader" | "triton") =>
      serverTiming(
        budget,
        size,
        1,
        configOf({ source: "s3", bucket: "models", delivery, downloadRate: "100MiB" }),
      );
    const [byLoader, byTriton] = [timesOf("loader"), timesOf("triton")];
    const seconds = Math.ceil(size / (100 * 1024 ** 2));
    expect(byTriton.startup - byLoader.startup).toBe(seconds);
    expect(byLoader.download - byTriton.download).toBe(seconds);
    expect(byTriton.progressDeadline).toBe(byLoader.progressDeadline);
  });

  const base = serverTiming(timingBudget(0, 10e6), 0, 1, configOf({ source: "s3", bucket: "models" }));

  it.each<{ what: string; change: Partial<ServerTiming> }>([
    { what: "a pod goes before the balancers know", change: { preStop: base.discovery } },
    { what: "Triton gives up before the longest call", change: { exit: 10 } },
    { what: "a pod is killed before Triton gives up", change: { terminationGracePeriod: base.preStop } },
    { what: "a replica counts before it is found", change: { minReady: base.discovery - 1 } },
    { what: "a rollout fails before a replica can be ready", change: { progressDeadline: base.startup } },
    { what: "the provider gives up before the cluster", change: { rollout: base.progressDeadline - 1 } },
  ])("are not consistent where $what", ({ change }) => {
    const budget = timingBudget(0, 10e6);
    expect(isServerTimingConsistent(base, budget)).toBe(true);
    expect(isServerTimingConsistent({ ...base, ...change }, budget)).toBe(false);
  });
});

describe("the times of the balancer's pods", () => {
  it("are consistent for any groups", () => {
    fc.assert(
      fc.property(
        fc.array(call, { minLength: 1, maxLength: 5 }),
        fc.nat(300),
        fc.integer({ min: 1, max: 50 }),
        (calls, seconds, replicas) => {
          const budgets = calls.map((longest) => timingBudget(0, longest));
          const timing = balancerTiming(budgets, { deregistrationDelay: seconds * 1e6, replicas });
          expect(isBalancerTimingConsistent(timing, budgets)).toBe(true);
        },
      ),
    );
  });

  const budgets = [timingBudget(0, 10e6)];
  const base = balancerTiming(budgets, { deregistrationDelay: 15e6, replicas: 2 });

  it.each<{ what: string; change: Partial<BalancerTiming> }>([
    { what: "calls are cut by the drain", change: { drain: 10 } },
    { what: "a pod is killed in its drain", change: { terminationGracePeriod: base.preStop + base.drain } },
    { what: "a rollout fails before a pod could go", change: { progressDeadline: 1 } },
    { what: "old pods go before new ones get calls", change: { minReady: base.preStop - 1 } },
    { what: "a rollout fails before a pod counts", change: { minReady: base.progressDeadline } },
    { what: "the provider gives up before the cluster", change: { rollout: base.progressDeadline - 1 } },
  ])("are not consistent where $what", ({ change }) => {
    expect(isBalancerTimingConsistent(base, budgets)).toBe(true);
    expect(isBalancerTimingConsistent({ ...base, ...change }, budgets)).toBe(false);
  });
});
