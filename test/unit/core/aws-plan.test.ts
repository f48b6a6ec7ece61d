import { describe, expect, it } from "vitest";
import { devConfig, planOf, prodBaseConfig, prodConfig } from "./aws-support.ts";

describe("the plan of a stack on AWS", () => {
  it("is of all layers where one stack makes them all", () => {
    const plan = planOf(devConfig());
    expect(plan.name).toBe("triton-dev");
    expect(plan.network).toMatchObject({ cidr: "10.0.0.0/16" });
    expect(plan.cluster?.nodeGroups.map(({ name }) => name)).toEqual(["a100", "workers"]);
    expect(plan.workload?.kubernetes.charts.map(({ name }) => name)).toEqual(["nvidia-device-plugin"]);
  });

  it("is of the layers that the stack makes", () => {
    const base = planOf(prodBaseConfig(), { stack: "prod" }, []);
    expect([base.network, base.cluster, base.workload].map((layer) => layer !== undefined)).toEqual([
      true,
      true,
      false,
    ]);
    const workload = planOf(prodConfig(), { stack: "prod-models" });
    expect(
      [workload.network, workload.cluster, workload.workload].map((layer) => layer !== undefined),
    ).toEqual([false, false, true]);
  });
});
