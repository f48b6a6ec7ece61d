import type { ClusterConfig, EksConfig } from "../spec/eks.ts";
import type { PlatformConfig } from "../spec/platform.ts";
import { planAddons, planControllers } from "./controllers.ts";
import type { AwsNames } from "./names.ts";
import { planNodeGroup, poolsOf } from "./node-groups.ts";
import type { AccessEntryPlan, ClusterPlan } from "./plan.ts";
import { clusterPolicies, nodePolicies, serviceTrustPolicy } from "./policies.ts";
import { partitionOf } from "./regions.ts";
import { serviceRole } from "./roles.ts";
import { sectionOf } from "./workload.ts";

export function planCluster(
  cluster: ClusterConfig,
  eks: EksConfig,
  config: PlatformConfig,
  names: AwsNames,
  tags: Readonly<Record<string, string>>,
): ClusterPlan {
  const section = sectionOf(config);
  return {
    version: cluster.version,
    role: serviceRole(names, "cluster", serviceTrustPolicy("eks", names), { managed: clusterPolicies }),
    nodeRole: serviceRole(names, "node", serviceTrustPolicy("ec2", names), { managed: nodePolicies }),
    publicAccessCidrs: cluster.publicAccessCidrs ?? [],
    privateAccessCidrs: cluster.privateAccessCidrs,
    logTypes,
    logRetentionDays: cluster.logRetentionDays,
    access: accessEntries(cluster, names),
    addons: planAddons(cluster, names, tags),
    nodeGroups: poolsOf(config, eks).map((pool) => planNodeGroup(pool, section)),
    controllers: planControllers(cluster, names, section, tags),
  };
}

/** All there are. Source: EKS API, LogSetup, `types`. */
const logTypes = ["api", "audit", "authenticator", "controllerManager", "scheduler"] as const;

/** Source: EKS user guide, "Review access policy permissions". */
const accessPolicies = {
  clusterAdmin: "AmazonEKSClusterAdminPolicy",
  admin: "AmazonEKSAdminPolicy",
  edit: "AmazonEKSEditPolicy",
  view: "AmazonEKSViewPolicy",
} as const;

function accessEntries({ access }: ClusterConfig, { region }: AwsNames): AccessEntryPlan[] {
  const partition = partitionOf(region).name;
  return Object.entries(access)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, { principalArn, policy, namespaces = [] }]) => ({
      name,
      principalArn,
      policyArn: `arn:${partition}:eks::aws:cluster-access-policy/${accessPolicies[policy]}`,
      namespaces,
    }));
}
