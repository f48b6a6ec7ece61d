/** The components, for other Pulumi programs: what a platform is made of, each for itself. */

export { Cluster, type ClusterArgs } from "./aws/Cluster.ts";
export { ClusterAddon, type ClusterAddonArgs } from "./aws/ClusterAddon.ts";
export { ClusterControllers, type ClusterControllersArgs } from "./aws/ClusterControllers.ts";
export { DnsName, type DnsNameArgs } from "./aws/DnsName.ts";
export { FlowLogs, type FlowLogsArgs } from "./aws/FlowLogs.ts";
export { GpuNodeGroup, type GpuNodeGroupArgs } from "./aws/GpuNodeGroup.ts";
export { ImageRepository, type ImageRepositoryArgs } from "./aws/ImageRepository.ts";
export { ModelBucket, type ModelBucketArgs } from "./aws/ModelBucket.ts";
export { Network, type NetworkArgs, type NodeSubnet } from "./aws/Network.ts";
export { NodeGroup, type NodeGroupArgs } from "./aws/NodeGroup.ts";
export { PlatformSecrets, type PlatformSecretsArgs } from "./aws/PlatformSecrets.ts";
export { PodRole, type OidcProvider, type PodRoleArgs } from "./aws/PodRole.ts";
export { PrivateBucket, type PrivateBucketArgs } from "./aws/PrivateBucket.ts";
export { ServiceRole, type ServiceRoleArgs } from "./aws/ServiceRole.ts";
export { Balancer, type BalancerArgs } from "./kubernetes/Balancer.ts";
export { GpuAddons, type GpuAddonsArgs } from "./kubernetes/GpuAddons.ts";
export { KubernetesPlatform, type KubernetesPlatformArgs } from "./kubernetes/KubernetesPlatform.ts";
export { ServerImage, type ServerImageArgs } from "./kubernetes/ServerImage.ts";
export { TritonServer, type TritonServerArgs } from "./kubernetes/TritonServer.ts";
export { ModelRepository, type ModelRepositoryArgs } from "./repository/ModelRepository.ts";

export type {
  AddonPlan,
  BucketPlan,
  ClusterPlan,
  ControllerPlan,
  ImageRepositoryPlan,
  NetworkPlan,
  NodeGroupPlan,
  PodRolePlan,
  PolicyDocument,
  SecretsPlan,
  ServiceRolePlan,
} from "../core/aws/plan.ts";
export type { KubernetesPlan } from "../core/kubernetes/plan.ts";
