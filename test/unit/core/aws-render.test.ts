import { describe, expect, it } from "vitest";
import { renderEksPlan } from "../../../core/aws/render.ts";
import { devConfig, planOf, prodBaseConfig, prodConfig } from "./aws-support.ts";

describe("the plan of a stack on AWS as files, but for its resources", () => {
  it("has the cluster's controllers and their namespaces, where the stack makes the cluster", () => {
    const base = [...renderEksPlan(planOf(prodBaseConfig(), {}, [])).keys()];
    expect(base).toContain("charts/aws-load-balancer-controller.yaml");
    expect(base).toContain("manifests/namespace-external-secrets.yaml");
    expect(base.filter((path) => path.includes("triton"))).toEqual([]);
    const workload = [...renderEksPlan(planOf(prodConfig())).keys()];
    expect(workload).toContain("manifests/deployment-triton-gpu.yaml");
    expect(workload.filter((path) => path.includes("load-balancer-controller"))).toEqual([]);
  });

  it("says of the VPC's id that it is not known", () => {
    const files = renderEksPlan(planOf(devConfig()));
    expect(files.get("charts/aws-load-balancer-controller.yaml")).toContain("vpcId: (the VPC's id)");
  });

  it("is the same each time, byte for byte", () => {
    const render = (): [string, string][] => [...renderEksPlan(planOf(devConfig()))];
    expect(render()).toEqual(render());
  });
});
