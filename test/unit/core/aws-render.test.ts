import { describe, expect, it } from "vitest";
import { renderAwsPlan } from "../../../core/aws/render.ts";
import { devConfig, planOf, prodBaseConfig, prodConfig } from "./aws-support.ts";

describe("the plan of a stack on AWS as files", () => {
  it("has each thing in a file of its own", () => {
    expect([...renderAwsPlan(planOf(devConfig())).keys()]).toEqual([
      "aws/addons/aws-ebs-csi-driver.yaml",
      "aws/addons/coredns.yaml",
      "aws/addons/kube-proxy.yaml",
      "aws/addons/vpc-cni.yaml",
      "aws/bucket.yaml",
      "aws/charts/aws-load-balancer-controller.yaml",
      "aws/charts/cluster-autoscaler.yaml",
      "aws/charts/external-secrets.yaml",
      "aws/cluster.yaml",
      "aws/network.yaml",
      "aws/node-groups/a100.yaml",
      "aws/node-groups/workers.yaml",
      "aws/roles/triton-dev-us-east-1-cluster-autoscaler.yaml",
      "aws/roles/triton-dev-us-east-1-cluster.yaml",
      "aws/roles/triton-dev-us-east-1-ebs-csi.yaml",
      "aws/roles/triton-dev-us-east-1-flow-logs.yaml",
      "aws/roles/triton-dev-us-east-1-load-balancer.yaml",
      "aws/roles/triton-dev-us-east-1-model-reader.yaml",
      "aws/roles/triton-dev-us-east-1-node.yaml",
      "aws/roles/triton-dev-us-east-1-secret-reader.yaml",
      "aws/roles/triton-dev-us-east-1-vpc-cni.yaml",
      "aws/secrets.yaml",
      "aws/stack.yaml",
    ]);
  });

  it("has what the stack makes, and no more", () => {
    const base = [...renderAwsPlan(planOf(prodBaseConfig(), {}, [])).keys()];
    const workload = [...renderAwsPlan(planOf(prodConfig())).keys()];
    expect(base.filter((path) => /^aws\/(bucket|secrets|dns)|reader/.test(path))).toEqual([]);
    expect(workload.filter((path) => /network|cluster|node|charts/.test(path))).toEqual([]);
    expect(workload).toContain("aws/dns.yaml");
  });

  it("says what matters of each", () => {
    const files = renderAwsPlan(planOf(devConfig()));
    expect(files.get("aws/network.yaml")).toContain("privateCidr: 10.0.0.0/18");
    expect(files.get("aws/node-groups/a100.yaml")).toContain("amiType: AL2023_x86_64_NVIDIA");
    expect(files.get("aws/roles/triton-dev-us-east-1-model-reader.yaml")).toContain("s3:GetObject");
    expect(files.get("aws/charts/aws-load-balancer-controller.yaml")).toContain("vpcId: (the VPC's id)");
    expect(files.get("aws/secrets.yaml")).toBe(
      "names:\n  - triton-dev/holysheep\n  - triton-dev/api-keys\nrecoveryDays: 0\n",
    );
    expect(files.get("aws/stack.yaml")).toContain("cost-center: '4711'");
  });

  it("is the same each time, byte for byte", () => {
    const render = (): [string, string][] => [...renderAwsPlan(planOf(devConfig()))];
    expect(render()).toEqual(render());
  });
});
