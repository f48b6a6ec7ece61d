import type { KubernetesPlan } from "../kubernetes/plan.ts";
import { merge } from "../kubernetes/charts.ts";
import { secretReaderName, serverObjectName } from "../kubernetes/names.ts";
import { omit, present } from "../objects.ts";
import type { PlatformPlan } from "../platform.ts";
import type { EksConfig } from "../spec/eks.ts";
import {
  kubernetesSectionSchema,
  type KubernetesConfig,
  type KubernetesSection,
  type NetworkPoliciesConfig,
  type ObjectStore,
} from "../spec/kubernetes.ts";
import type { PlatformConfig } from "../spec/platform.ts";
import { callsUpstream } from "../upstream.ts";
import { arn, roleName, type AwsNames } from "./names.ts";
import { behindLoadBalancer } from "./load-balancer.ts";
import { findType } from "./node-groups.ts";
import type {
  BucketPlan,
  ImageRepositoryPlan,
  NetworkPlan,
  PodRolePlan,
  SecretsPlan,
  WorkloadPlan,
} from "./plan.ts";
import { logBucketPolicy, modelBucketPolicy, modelReaderPolicy, secretReaderPolicy } from "./policies.ts";
import { partitionOf } from "./regions.ts";
import { podRole } from "./roles.ts";

/**
 * What serves models: the target `kubernetes`, unchanged, told of what is made here. `triton-platform:kubernetes` says the
 * rest as on any cluster; what is made here is no part of it (see check.ts).
 */

export interface WorkloadFacts {
  readonly config: PlatformConfig;
  readonly eks: EksConfig;
  readonly names: AwsNames;
  readonly tags: Readonly<Record<string, string>>;
  /** Undefined where another stack, or nobody here, makes the VPC. */
  readonly network?: NetworkPlan;
}

/** The section as it is written, or as it is where nothing is. */
export function sectionOf({ kubernetes }: Pick<PlatformConfig, "kubernetes">): KubernetesSection {
  return kubernetes ?? defaultSection;
}

const defaultSection = kubernetesSectionSchema.parse({});

/** The config of the target `kubernetes` for these servers. */
export function kubernetesConfig(platform: PlatformPlan, facts: WorkloadFacts): KubernetesConfig {
  const { config, eks, names, tags, network } = facts;
  const section = sectionOf(config);
  return {
    // What is made here is a problem there, and has no second one.
    ...omit(section, "context", "kubeconfig", "serverImage", "externalSecrets"),
    repository: storeOf(facts),
    balancer: behindLoadBalancer(section.balancer, {
      loadBalancer: eks.loadBalancer,
      tags,
      budgets: platform.servers.map(({ timing }) => timing),
    }),
    gpu: gpuAddons(section.gpu, config),
    networkPolicies: networkPolicies(section.networkPolicies, eks, network),
    ...present({
      serverImage: eks.serverImage && {
        repository: imageRepositoryUrl(names),
        requirements: eks.serverImage.requirements,
      },
      externalSecrets: externalSecrets(platform, section, names),
    }),
  };
}

/** The plan of the workload's own resources beside its plan for the cluster. */
export function planWorkload(
  platform: PlatformPlan,
  kubernetes: KubernetesPlan,
  facts: WorkloadFacts,
): WorkloadPlan {
  const { eks, names } = facts;
  return {
    platform,
    kubernetes,
    bucket: bucketOf(eks, names),
    store: storeOf(facts),
    readerRole: readerRole(
      names,
      sectionOf(facts.config).namespace,
      eks,
      platform.servers.map(({ name }) => name),
    ),
    tls: eks.loadBalancer.certificateArn !== undefined || sectionOf(facts.config).balancer.tls !== undefined,
    ...present({
      imageRepository: eks.serverImage && imageRepository(names),
      secrets: secretsOf(platform, kubernetes, facts),
      dns: eks.loadBalancer.dns,
    }),
  };
}

function storeOf({ eks, names }: Pick<WorkloadFacts, "eks" | "names">): ObjectStore {
  const { prefix, delivery, downloadRate, retain } = eks.repository;
  return {
    source: "s3",
    bucket: names.modelBucket,
    prefix,
    region: names.region,
    delivery,
    downloadRate,
    retain,
    serviceAccountAnnotations: {
      "eks.amazonaws.com/role-arn": arn(names, "iam", `role/${roleName(names, modelReader)}`),
    },
  };
}

const modelReader = "model-reader";

/** Each server group's ServiceAccount, and nobody else, reads the models. */
function readerRole(
  names: AwsNames,
  namespace: string,
  { repository }: EksConfig,
  servers: readonly string[],
): PodRolePlan {
  const serviceAccounts = servers.map((server) => `${namespace}:${serverObjectName(server)}`);
  return podRole(names, modelReader, serviceAccounts, {
    policy: modelReaderPolicy(names, repository.prefix),
  });
}

function bucketOf({ repository }: EksConfig, names: AwsNames): BucketPlan {
  return {
    name: names.modelBucket,
    logBucket: names.logBucket,
    accessLogRetentionDays: repository.accessLogRetentionDays,
    policy: modelBucketPolicy(names),
    logPolicy: logBucketPolicy(names),
  };
}

/** Images that were built for earlier requirements, for a way back. */
const keptImages = 20;

function imageRepository(names: AwsNames): ImageRepositoryPlan {
  return {
    name: names.imageRepository,
    url: imageRepositoryUrl(names),
    // Source: ECR user guide, "Lifecycle policy properties". An image is named by what it is made of, so untagged ones are remains.
    lifecycle: {
      rules: [
        {
          rulePriority: 1,
          description: "Remains of interrupted pushes",
          selection: {
            tagStatus: "untagged",
            countType: "sinceImagePushed",
            countUnit: "days",
            countNumber: 7,
          },
          action: { type: "expire" },
        },
        {
          rulePriority: 2,
          description: "The newest ones stay",
          selection: { tagStatus: "any", countType: "imageCountMoreThan", countNumber: keptImages },
          action: { type: "expire" },
        },
      ],
    },
  };
}

function imageRepositoryUrl({ account, region, imageRepository: name }: AwsNames): string {
  return `${account}.dkr.ecr.${region}.${partitionOf(region).dnsSuffix}/${name}`;
}

/** Undefined where nothing is secret. */
function secretsOf(
  platform: PlatformPlan,
  { balancer }: KubernetesPlan,
  { config, eks, names }: WorkloadFacts,
): SecretsPlan | undefined {
  const section = sectionOf(config);
  const used = usedSecrets(platform, section, names);
  if (used.length === 0) return undefined;
  return {
    recoveryDays: eks.secretRecoveryDays,
    readerRole: secretReaderRole(names, section.namespace, used),
    ...present({
      holysheepApiKey: callsUpstream(platform.servers) ? names.holysheepSecret : undefined,
      apiKeys:
        balancer.apiKeysMap === undefined
          ? undefined
          : { name: names.apiKeysSecret, map: balancer.apiKeysMap },
    }),
  };
}

function externalSecrets(
  platform: PlatformPlan,
  section: KubernetesSection,
  names: AwsNames,
): KubernetesConfig["externalSecrets"] {
  const used = usedSecrets(platform, section, names);
  if (used.length === 0) return undefined;
  const { roleArn } = secretReaderRole(names, section.namespace, used);
  return {
    aws: { region: names.region, roleArn },
    refreshInterval: secretsRefresh,
    ...present({
      holysheepApiKey: callsUpstream(platform.servers) ? { key: names.holysheepSecret } : undefined,
      apiKeys: section.balancer.apiKeys === undefined ? undefined : { key: names.apiKeysSecret },
    }),
  };
}

/** In microseconds: 5 minutes. A value that has changed is in the pods a minute after that. */
const secretsRefresh = 300_000_000;

/** External Secrets reads by the token of this ServiceAccount. */
function secretReaderRole(names: AwsNames, namespace: string, secrets: readonly string[]): PodRolePlan {
  return podRole(names, "secret-reader", [`${namespace}:${secretReaderName}`], {
    policy: secretReaderPolicy(names, secrets),
  });
}

function usedSecrets(platform: PlatformPlan, { balancer }: KubernetesSection, names: AwsNames): string[] {
  return [
    ...(callsUpstream(platform.servers) ? [names.holysheepSecret] : []),
    ...(balancer.apiKeys === undefined ? [] : [names.apiKeysSecret]),
  ];
}

type GpuConfig = KubernetesSection["gpu"];

/**
 * EKS' NVIDIA images have the driver and the container toolkit and no device plugin, so one comes along where there are
 * GPUs; slices of them are cut by the GPU operator's MIG manager alone.
 */
export function gpuAddons(gpu: GpuConfig, { nodes, servers }: PlatformConfig): GpuConfig {
  const cards = acceleratorsOf({ nodes, servers });
  const wanted = cards.some(({ mig }) => mig !== undefined) ? "gpu-operator" : "device-plugin";
  const addon = gpu.addon !== "none" || cards.length === 0 ? gpu.addon : wanted;
  return addon === "gpu-operator"
    ? { ...gpu, addon, gpuOperator: { ...gpu.gpuOperator, values: merge(onEks, gpu.gpuOperator.values) } }
    : { ...gpu, addon };
}

/** What servers run on: of the pools, or where none are named, of the servers themselves. */
function acceleratorsOf({
  nodes,
  servers,
}: Pick<PlatformConfig, "nodes" | "servers">): { readonly mig?: string | undefined }[] {
  const pools = Object.values(nodes).filter(({ instanceType }) => findType(instanceType)?.gpu !== undefined);
  return pools.length > 0 ? pools : Object.values(servers).flatMap(({ accelerator }) => accelerator ?? []);
}

/**
 * Of the GPU operator. A card of a virtual machine goes into MIG mode at a reboot alone.
 * Source: NVIDIA GPU operator, "GPU Operator with MIG", on environments of cloud providers and on preinstalled drivers.
 */
const onEks = {
  driver: { enabled: false },
  toolkit: { enabled: false },
  migManager: { env: [{ name: "WITH_REBOOT", value: "true" }] },
} as const;

/**
 * S3 is reached at public addresses, by the VPC's gateway; STS, which turns a pod's token into its role, at those of its
 * interface endpoint, in the private subnets. Health checks come from the load balancer's own addresses, in its subnets.
 */
function networkPolicies(
  rules: NetworkPoliciesConfig,
  { loadBalancer }: EksConfig,
  network: NetworkPlan | undefined,
): NetworkPoliciesConfig {
  if (network === undefined) return rules;
  const inPrivate = network.zones.map(({ privateCidr }) => privateCidr);
  const hasSts = network.interfaceEndpoints.some((service) => service.endsWith(".sts"));
  const balancers =
    loadBalancer.scheme === "internal" ? inPrivate : network.zones.map(({ publicCidr }) => publicCidr);
  return {
    ...rules,
    clients: rules.clients.includes("0.0.0.0/0") ? rules.clients : [...rules.clients, ...balancers],
    ...present({
      objectStore: rules.objectStore ?? (hasSts ? { cidrs: inPrivate, port: 443 } : undefined),
    }),
  };
}
