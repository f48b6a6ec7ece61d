import type { ChartRelease } from "../kubernetes/charts.ts";
import type { KubernetesPlan } from "../kubernetes/plan.ts";
import type { ObjectStore } from "../spec/kubernetes.ts";
import type { Layer } from "../spec/eks.ts";
import type { PlatformPlan } from "../platform.ts";
import type { Bytes } from "../spec/units.ts";

/**
 * A platform on AWS as plain data: what components/aws turns into resources and `npm run plan` shows. Names that the
 * cluster's objects hold (buckets, roles, secrets) are fixed, with account and region in them where they are everybody's:
 * so manifests are known before anything is there.
 */
export interface EksPlan {
  readonly account: string;
  readonly region: string;
  /** Of the cluster, and the beginning of other names. */
  readonly name: string;
  /** On everything. */
  readonly tags: Readonly<Record<string, string>>;
  readonly layers: readonly Layer[];
  readonly protect: boolean;
  /** Where a layer below is another stack's. */
  readonly baseStack?: string;
  /** A VPC to make, or one that is there; undefined where the base stack has it. */
  readonly network?: NetworkPlan | GivenNetwork;
  /** Undefined where the base stack has it. */
  readonly cluster?: ClusterPlan;
  /** Undefined where this stack deploys no models. */
  readonly workload?: WorkloadPlan;
}

export interface GivenNetwork {
  readonly vpcId: string;
  readonly privateSubnetIds: readonly string[];
  readonly publicSubnetIds: readonly string[];
}

/** A VPC. All addresses are IPv4 CIDRs. */
export interface NetworkPlan {
  readonly cidr: string;
  readonly zones: readonly {
    readonly zone: string;
    /** Of load balancers and NAT gateways. */
    readonly publicCidr: string;
    /** Of nodes and pods. */
    readonly privateCidr: string;
    /** Zone whose NAT gateway this zone's nodes go out by. */
    readonly natZone: string;
  }[];
  /** Full names: `com.amazonaws.us-east-1.sts`. */
  readonly interfaceEndpoints: readonly string[];
  readonly s3Endpoint: string;
  /** In CloudWatch Logs; the role writes to this group alone. */
  readonly flowLogGroup: string;
  readonly flowLogRetentionDays: number;
  readonly flowLogRole: ServiceRolePlan;
  /** On public and private subnets: by these the Load Balancer Controller finds them. */
  readonly publicSubnetTags: Readonly<Record<string, string>>;
  readonly privateSubnetTags: Readonly<Record<string, string>>;
}

export interface ClusterPlan {
  readonly version: string;
  /** Of the control plane. */
  readonly role: ServiceRolePlan;
  /** Of every node. */
  readonly nodeRole: ServiceRolePlan;
  /** Networks that reach the API server over the internet; empty where it is private. */
  readonly publicAccessCidrs: readonly string[];
  /** Networks beside the VPC that reach its private endpoint. */
  readonly privateAccessCidrs: readonly string[];
  readonly logTypes: readonly string[];
  readonly logRetentionDays: number;
  readonly access: readonly AccessEntryPlan[];
  readonly addons: readonly AddonPlan[];
  readonly nodeGroups: readonly NodeGroupPlan[];
  /** Controllers, each with the role its pods take; in the order of their installation. */
  readonly controllers: readonly ControllerPlan[];
}

export interface AccessEntryPlan {
  readonly name: string;
  readonly principalArn: string;
  readonly policyArn: string;
  /** Empty: the whole cluster. */
  readonly namespaces: readonly string[];
}

/** One of EKS' own add-ons. */
export interface AddonPlan {
  readonly name: string;
  readonly version: string;
  readonly configuration?: Readonly<Record<string, unknown>>;
  /** Role of its pods; undefined for none. */
  readonly role?: PodRolePlan;
  /** Whether its pods need nodes to be ready; the others come before nodes. */
  readonly needsNodes: boolean;
}

/** A role that pods of certain ServiceAccounts take by their tokens (IRSA). The cluster's OIDC provider comes to it later. */
export interface PodRolePlan {
  readonly roleName: string;
  readonly roleArn: string;
  /** `namespace:name` of each. */
  readonly serviceAccounts: readonly string[];
  /** AWS' own policies. */
  readonly managedPolicyArns: readonly string[];
  readonly policy?: PolicyDocument;
}

/** A role that one of AWS' services takes. */
export interface ServiceRolePlan {
  readonly roleName: string;
  readonly roleArn: string;
  /** Who takes it. */
  readonly trust: PolicyDocument;
  /** AWS' own policies. */
  readonly managedPolicyArns: readonly string[];
  readonly policy?: PolicyDocument;
}

/** JSON of an IAM policy. */
export interface PolicyDocument {
  readonly Version: "2012-10-17";
  readonly Statement: readonly PolicyStatement[];
}

export interface PolicyStatement {
  readonly Sid?: string;
  readonly Effect: "Allow" | "Deny";
  readonly Action: string | readonly string[];
  readonly Resource?: string | readonly string[];
  readonly Principal?: "*" | Readonly<Record<string, string | readonly string[]>>;
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, string | readonly string[]>>>>;
}

export interface ControllerPlan {
  /** Its values know everything but the VPC's id, which is not known before. */
  readonly chart: ChartRelease;
  /** Where the VPC's id goes among its values; undefined where it is not asked for. */
  readonly vpcIdValue?: string;
  readonly role?: PodRolePlan;
}

/** A managed node group: what a pool of `nodes` becomes. */
export interface NodeGroupPlan {
  readonly name: string;
  readonly instanceTypes: readonly string[];
  /** Source: EKS API, Nodegroup, `amiType`. */
  readonly amiType: "AL2023_x86_64_NVIDIA" | "AL2023_x86_64_STANDARD";
  readonly capacityType: "ON_DEMAND" | "SPOT" | "CAPACITY_BLOCK";
  /** Capacity reservation, or block, that its launch template asks for. */
  readonly reservation?: string;
  /** Zones of its subnets; undefined for all of the network's. */
  readonly zones?: readonly string[];
  readonly minSize: number;
  readonly desiredSize: number;
  readonly maxSize: number;
  /** Of the root volume, gp3, encrypted. */
  readonly volumeSize: Bytes;
  /** nodeadm's config as a MIME document, in plain text; undefined where there is nothing to say. */
  readonly userData?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly taints: readonly {
    readonly key: string;
    readonly value: string;
    readonly effect: "NO_SCHEDULE";
  }[];
  readonly maxUnavailable: number;
  /** On the Auto Scaling group itself, for the Cluster Autoscaler: what a node will be that is not there yet. */
  readonly autoscalingTags: Readonly<Record<string, string>>;
}

/** What serves models: AWS' resources beside the cluster's objects. */
export interface WorkloadPlan {
  readonly platform: PlatformPlan;
  readonly kubernetes: KubernetesPlan;
  readonly bucket: BucketPlan;
  readonly store: ObjectStore;
  /** Of the servers' pods: they read their models. The key's ARN, not known before, goes to `kms:Decrypt`. */
  readonly readerRole: PodRolePlan;
  /** Undefined where no image is built. */
  readonly imageRepository?: ImageRepositoryPlan;
  /** Undefined where nothing is secret: no model calls HolySheep, and no API keys are asked for. */
  readonly secrets?: SecretsPlan;
  readonly dns?: { readonly zoneId: string; readonly name: string };
  /** Whether clients speak TLS, which the load balancer ends or the balancer. */
  readonly tls: boolean;
}

export interface BucketPlan {
  readonly name: string;
  /** Of its access logs. */
  readonly logBucket: string;
  readonly accessLogRetentionDays: number;
  /** Of the bucket: nothing without TLS. */
  readonly policy: PolicyDocument;
  readonly logPolicy: PolicyDocument;
}

export interface ImageRepositoryPlan {
  readonly name: string;
  readonly url: string;
  /** JSON of ECR's lifecycle policy. */
  readonly lifecycle: object;
}

export interface SecretsPlan {
  /** Name in Secrets Manager; undefined where no model calls HolySheep. */
  readonly holysheepApiKey?: string;
  /** Name in Secrets Manager, and the map of hashes it holds; undefined where no API keys are asked for. */
  readonly apiKeys?: { readonly name: string; readonly map: string };
  readonly recoveryDays: number;
  /** Of the ServiceAccount by whose token External Secrets reads them. */
  readonly readerRole: PodRolePlan;
}
