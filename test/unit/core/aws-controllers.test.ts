import { describe, expect, it } from "vitest";
import type { ControllerPlan } from "../../../core/aws/plan.ts";
import { kubernetesVersions } from "../../../core/spec/eks.ts";
import { account, devConfig, planOf, type AwsFields } from "./aws-support.ts";

const deployers = { principalArn: `arn:aws:iam::${account}:role/deployers`, policy: "clusterAdmin" } as const;
type ClusterFields = Partial<NonNullable<NonNullable<AwsFields["eks"]>["cluster"]>>;

function clusterOf(cluster: ClusterFields = {}, fields: AwsFields = {}) {
  const { cluster: plan } = planOf(
    devConfig({ ...fields, eks: { cluster: { access: { deployers }, ...cluster } } }),
  );
  if (plan === undefined) throw new Error("there is no cluster");
  return plan;
}

function controllerOf(name: string, cluster: ClusterFields = {}): ControllerPlan {
  const found = clusterOf(cluster).controllers.find(({ chart }) => chart.name === name);
  if (found === undefined) throw new Error(`there is no ${name}`);
  return found;
}

describe("EKS' add-ons", () => {
  it("are those that a cluster needs, the network's before nodes", () => {
    expect(clusterOf().addons.map(({ name, needsNodes }) => [name, needsNodes])).toEqual([
      ["vpc-cni", false],
      ["kube-proxy", false],
      ["coredns", true],
      ["aws-ebs-csi-driver", true],
    ]);
  });

  it.each(kubernetesVersions)("are pinned for Kubernetes %s", (version) => {
    const { addons } = clusterOf({ version });
    for (const addon of addons) expect(addon.version).toMatch(/^v\d+\.\d+\.\d+-eksbuild\.\d+$/);
    expect(addons.find(({ name }) => name === "kube-proxy")?.version).toContain(`v${version}.`);
  });

  it("are in another version where the config wants one", () => {
    const { addons } = clusterOf({ addons: { coredns: "v1.14.6-eksbuild.4" } });
    expect(addons.find(({ name }) => name === "coredns")?.version).toBe("v1.14.6-eksbuild.4");
    expect(addons.find(({ name }) => name === "vpc-cni")?.version).not.toBe("v1.14.6-eksbuild.4");
  });

  it("enforce NetworkPolicies, and tag what they make in AWS", () => {
    const [cni, , , driver] = clusterOf().addons;
    const tags = '"owner":"ml-platform","environment":"dev","cost-center":"4711","ttl":"8h"}';
    expect(cni?.configuration).toEqual({
      enableNetworkPolicy: "true",
      env: { ADDITIONAL_ENI_TAGS: `{"triton-platform:stack":"dev",${tags}` },
    });
    expect(driver?.configuration).toMatchObject({
      controller: { extraVolumeTags: { owner: "ml-platform" } },
    });
  });

  it("have roles of their own, and nodes no right to interfaces and volumes", () => {
    const { addons, nodeRole } = clusterOf();
    expect(addons.flatMap(({ role }) => role?.serviceAccounts ?? [])).toEqual([
      "kube-system:aws-node",
      "kube-system:ebs-csi-controller-sa",
    ]);
    expect(nodeRole.managedPolicyArns.filter((arn) => /CNI|EBS/.test(arn))).toEqual([]);
  });
});

describe("controllers", () => {
  it("are installed in this order, KEDA where servers scale by it", () => {
    const names = (fields: AwsFields) => clusterOf({}, fields).controllers.map(({ chart }) => chart.name);
    const usual = ["aws-load-balancer-controller", "cluster-autoscaler", "external-secrets"];
    expect(names({})).toEqual(usual);
    const autoscaler = { kind: "keda", prometheusUrl: "http://prometheus.monitoring.svc:9090" } as const;
    expect(names({ kubernetes: { autoscaler } })).toEqual([...usual, "keda"]);
  });

  it("have what they would ask the instance's metadata for", () => {
    const { chart, vpcIdValue } = controllerOf("aws-load-balancer-controller");
    expect(chart.values).toMatchObject({ clusterName: "triton-dev", region: "us-east-1" });
    expect(vpcIdValue).toBe("vpcId");
    expect(controllerOf("cluster-autoscaler").chart.values).toMatchObject({
      awsRegion: "us-east-1",
      autoDiscovery: { clusterName: "triton-dev" },
    });
  });

  it("take their roles by the ServiceAccounts that their charts make", () => {
    const { chart, role } = controllerOf("aws-load-balancer-controller");
    expect(chart.values.serviceAccount).toEqual({
      create: true,
      name: "aws-load-balancer-controller",
      annotations: { "eks.amazonaws.com/role-arn": role?.roleArn },
    });
    expect(role?.serviceAccounts).toEqual(["kube-system:aws-load-balancer-controller"]);
    const autoscaler = controllerOf("cluster-autoscaler");
    expect(autoscaler.chart.values.rbac).toEqual({
      serviceAccount: {
        create: true,
        name: "cluster-autoscaler",
        annotations: { "eks.amazonaws.com/role-arn": autoscaler.role?.roleArn },
      },
    });
    expect(autoscaler.role?.serviceAccounts).toEqual(["kube-system:cluster-autoscaler"]);
  });

  it.each(kubernetesVersions)("scale a cluster of %s by an autoscaler of that version", (version) => {
    const tag: unknown = expect.stringMatching(
      new RegExp(`^v${version.replace(".", String.raw`\.`)}\\.\\d+$`),
    );
    expect(controllerOf("cluster-autoscaler", { version }).chart.values).toMatchObject({ image: { tag } });
  });

  it("take away nodes that only hold models' files or system pods", () => {
    expect(controllerOf("cluster-autoscaler").chart.values.extraArgs).toMatchObject({
      "skip-nodes-with-local-storage": false,
      "skip-nodes-with-system-pods": false,
      "balancing-ignore-label": "triton-platform/pool",
    });
  });

  it("come from where the config says, with its values over these", () => {
    const mirror = { repository: "oci://registry.local/charts", chart: "lbc", version: "9.9.9" };
    const { chart } = controllerOf("aws-load-balancer-controller", {
      charts: { loadBalancerController: { ...mirror, values: { replicaCount: 3 } } },
    });
    expect(chart).toMatchObject({ ...mirror, name: "aws-load-balancer-controller" });
    expect(chart.values).toMatchObject({ replicaCount: 3, region: "us-east-1" });
  });
});

describe("access", () => {
  it("is by EKS' policies, in the region's partition", () => {
    const viewers = { principalArn: `arn:aws:iam::${account}:role/viewers`, policy: "view" } as const;
    const { access } = clusterOf({
      access: { viewers: { ...viewers, namespaces: ["triton"] }, deployers },
    });
    expect(access.map(({ name, policyArn, namespaces }) => [name, policyArn, namespaces])).toEqual([
      ["deployers", "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy", []],
      ["viewers", "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy", ["triton"]],
    ]);
  });

  it("is private unless networks are named", () => {
    expect(clusterOf().publicAccessCidrs).toEqual([]);
    expect(clusterOf({ publicAccessCidrs: ["203.0.113.0/24"] }).publicAccessCidrs).toEqual([
      "203.0.113.0/24",
    ]);
  });
});
