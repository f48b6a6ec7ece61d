import { merge, type ChartRelease } from "../kubernetes/charts.ts";
import { present } from "../objects.ts";
import type { ClusterConfig, kubernetesVersions } from "../spec/eks.ts";
import type { ChartConfig, KubernetesSection } from "../spec/kubernetes.ts";
import type { AwsNames } from "./names.ts";
import { poolLabel } from "./node-groups.ts";
import type { AddonPlan, ControllerPlan, PodRolePlan } from "./plan.ts";
import { clusterAutoscalerPolicy, loadBalancerControllerPolicy } from "./policies.ts";
import { podRole } from "./roles.ts";

/** What runs in every cluster beside the models: EKS' own add-ons, and controllers from charts. */

type KubernetesVersion = (typeof kubernetesVersions)[number];
type Tags = Readonly<Record<string, string>>;

/**
 * Versions that EKS installs by default (`aws eks describe-addon-versions --kubernetes-version …`), as found in published
 * configurations, not on a page of AWS: those of 1.35 bear the date 2026-10-02, of 1.34 2026-09-20, of 1.36 are of September
 * 2026.
 */
const addonVersions: Readonly<
  Record<KubernetesVersion, Readonly<Record<keyof ClusterConfig["addons"], string>>>
> = {
  "1.36": {
    vpcCni: "v1.22.4-eksbuild.3",
    coredns: "v1.14.3-eksbuild.23",
    kubeProxy: "v1.36.0-eksbuild.25",
    ebsCsiDriver: "v1.66.0-eksbuild.1",
  },
  "1.35": {
    vpcCni: "v1.22.4-eksbuild.3",
    coredns: "v1.13.2-eksbuild.31",
    kubeProxy: "v1.35.3-eksbuild.29",
    ebsCsiDriver: "v1.66.0-eksbuild.1",
  },
  "1.34": {
    vpcCni: "v1.22.4-eksbuild.3",
    coredns: "v1.12.4-eksbuild.38",
    kubeProxy: "v1.34.6-eksbuild.29",
    ebsCsiDriver: "v1.66.0-eksbuild.1",
  },
};

/**
 * EKS' add-ons, in the order in which a cluster takes them. NetworkPolicies do nothing unless the VPC CNI is told to enforce
 * them (EKS user guide, "Limit Pod traffic with Kubernetes network policies"). What the CNI and the EBS driver make in AWS,
 * interfaces and volumes, has the stack's tags too. Keys: of `aws eks describe-addon-configuration`.
 */
export function planAddons({ version, addons }: ClusterConfig, names: AwsNames, tags: Tags): AddonPlan[] {
  const versions = { ...addonVersions[version], ...present(addons) };
  return [
    {
      name: "vpc-cni",
      version: versions.vpcCni,
      configuration: { enableNetworkPolicy: "true", env: { ADDITIONAL_ENI_TAGS: JSON.stringify(tags) } },
      role: podRole(names, "vpc-cni", ["kube-system:aws-node"], { managed: ["AmazonEKS_CNI_Policy"] }),
      needsNodes: false,
    },
    { name: "kube-proxy", version: versions.kubeProxy, needsNodes: false },
    { name: "coredns", version: versions.coredns, needsNodes: true },
    {
      name: "aws-ebs-csi-driver",
      version: versions.ebsCsiDriver,
      configuration: { controller: { extraVolumeTags: tags } },
      role: podRole(names, "ebs-csi", ["kube-system:ebs-csi-controller-sa"], {
        managed: ["service-role/AmazonEBSCSIDriverPolicy"],
      }),
      needsNodes: true,
    },
  ];
}

/**
 * In the order of their installation. None of them tolerates the GPU nodes' taint: they run on the pools without GPUs.
 * KEDA is there where servers scale by it.
 */
export function planControllers(
  { charts, version }: ClusterConfig,
  names: AwsNames,
  { autoscaler }: Pick<KubernetesSection, "autoscaler">,
  tags: Tags,
): ControllerPlan[] {
  return [
    loadBalancerController(charts.loadBalancerController, names, tags),
    clusterAutoscaler(charts.clusterAutoscaler, names, version),
    { chart: release("external-secrets", "external-secrets", charts.externalSecrets, {}) },
    ...(autoscaler?.kind === "keda" ? [{ chart: release("keda", "keda", charts.keda, {}) }] : []),
  ];
}

/**
 * Region and VPC are told, since it would ask the instance's metadata, which pods do not reach. Its webhook that gives every
 * Service of type LoadBalancer to it is off: ours name its class, and while the controller is away no Service could be made.
 * Keys: kubernetes-sigs/aws-load-balancer-controller, helm/aws-load-balancer-controller/values.yaml, v2.17.1 to v3.5.0.
 */
function loadBalancerController(chart: ChartConfig, names: AwsNames, tags: Tags): ControllerPlan {
  const name = "aws-load-balancer-controller";
  const role = podRole(names, "load-balancer", [`kube-system:${name}`], {
    policy: loadBalancerControllerPolicy(names),
  });
  return {
    chart: release(name, "kube-system", chart, {
      clusterName: names.name,
      region: names.region,
      serviceAccount: serviceAccountOf(name, role),
      replicaCount: 2,
      priorityClassName: "system-cluster-critical",
      enableServiceMutatorWebhook: false,
      // Security groups that it makes for all of them are the stack's too.
      defaultTags: tags,
    }),
    vpcIdValue: "vpcId",
    role,
  };
}

/** The newest patch of each minor version: kubernetes/autoscaler, tags `cluster-autoscaler-1.…` (2026-08). */
const autoscalerVersions: Readonly<Record<KubernetesVersion, string>> = {
  "1.36": "v1.36.1",
  "1.35": "v1.35.2",
  "1.34": "v1.34.5",
};

/**
 * It knows the scheduler of its own minor version, so its image follows the cluster's. Pods of servers have local storage,
 * the models' emptyDir, and controllers are in kube-system: neither is to keep a node that nobody needs.
 * Keys: kubernetes/autoscaler, cluster-autoscaler/charts/cluster-autoscaler/values.yaml, 9.54.1 to 9.59.0; arguments:
 * cluster-autoscaler/FAQ.md, "What are the parameters to CA?".
 */
function clusterAutoscaler(chart: ChartConfig, names: AwsNames, version: KubernetesVersion): ControllerPlan {
  const name = "cluster-autoscaler";
  const role = podRole(names, name, [`kube-system:${name}`], {
    policy: clusterAutoscalerPolicy(names.name),
  });
  return {
    chart: release(name, "kube-system", chart, {
      fullnameOverride: name,
      cloudProvider: "aws",
      awsRegion: names.region,
      autoDiscovery: { clusterName: names.name },
      image: { tag: autoscalerVersions[version] },
      rbac: { serviceAccount: serviceAccountOf(name, role) },
      priorityClassName: "system-cluster-critical",
      extraArgs: {
        expander: "least-waste",
        "balance-similar-node-groups": true,
        "balancing-ignore-label": poolLabel,
        "skip-nodes-with-local-storage": false,
        "skip-nodes-with-system-pods": false,
      },
    }),
    role,
  };
}

function serviceAccountOf(name: string, { roleArn }: PodRolePlan): object {
  return { create: true, name, annotations: { "eks.amazonaws.com/role-arn": roleArn } };
}

/** What the config says under `values` goes over the values here. */
function release(
  name: string,
  namespace: string,
  { repository, chart, version, values }: ChartConfig,
  own: Readonly<Record<string, unknown>>,
): ChartRelease {
  return { name, namespace, repository, chart, version, values: merge(own, values) };
}
