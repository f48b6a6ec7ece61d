import { getSubnet } from "@pulumi/aws/ec2/getSubnet.js";
import { getVpc } from "@pulumi/aws/ec2/getVpc.js";
import { Provider as AwsProvider } from "@pulumi/aws/provider.js";
import { Provider as KubernetesProvider } from "@pulumi/kubernetes/provider.js";
import * as pulumi from "@pulumi/pulumi";
import type { ClusterPlan, EksPlan, GivenNetwork, WorkloadPlan } from "../../core/aws/plan.ts";
import { decryptPolicy } from "../../core/aws/policies.ts";
import { buildServerImages } from "../kubernetes/ServerImage.ts";
import { publishedOutputs } from "../kubernetes/outputs.ts";
import { KubernetesPlatform } from "../kubernetes/KubernetesPlatform.ts";
import { refusal } from "../target.ts";
import { refuseUnavailable } from "./ask.ts";
import { BaseStack } from "./base-stack.ts";
import { Cluster } from "./Cluster.ts";
import { ClusterControllers } from "./ClusterControllers.ts";
import { DnsName } from "./DnsName.ts";
import { ImageRepository } from "./ImageRepository.ts";
import { ModelBucket } from "./ModelBucket.ts";
import { Network, type NodeSubnet } from "./Network.ts";
import { PlatformSecrets } from "./PlatformSecrets.ts";
import { PodRole, type OidcProvider } from "./PodRole.ts";
import { refuseUnreachable } from "./reachability.ts";

export interface BuildOptions {
  /** Absolute folder of the project. */
  readonly project: string;
  /** Name of the stack's config file, for problems. */
  readonly file: string;
  /** HolySheep's key of the stack's config. */
  readonly holysheepApiKey?: pulumi.Output<string>;
  /** Default: those of a deployment. A plan, which has nobody to ask, has others. */
  readonly checks?: Checks;
}

/** What is asked before anything is made: each throws what is not there. */
export interface Checks {
  /** Of AWS: the account, and what the plan needs of it. */
  available(plan: EksPlan, aws: AwsProvider, file: string): Promise<void>;
  /** The cluster's API server, from this machine. */
  reachable(endpoint: string): Promise<void>;
}

const ofDeployment: Checks = { available: refuseUnavailable, reachable: refuseUnreachable };

/** Registers a stack on AWS, layer by layer: what it does not make itself is its base stack's. Returns its outputs. */
export async function buildEks(plan: EksPlan, options: BuildOptions): Promise<Record<string, unknown>> {
  const aws = new AwsProvider("aws", {
    region: plan.region,
    // Whatever the credentials of who runs this: no other account is touched, not by a destroy either.
    allowedAccountIds: [plan.account],
    defaultTags: { tags: plan.tags },
  });
  const { checks = ofDeployment } = options;
  await checks.available(plan, aws, options.file);
  const base = plan.baseStack === undefined ? undefined : new BaseStack(plan.baseStack);
  const network = await networkOf(plan, base, aws);
  const cluster = await clusterOf(plan, base, network, { aws, checks });
  const { workload } = plan;
  return {
    ...(plan.network === undefined ? {} : { network: network?.output }),
    ...(plan.cluster === undefined ? {} : { cluster: cluster?.output }),
    ...(workload === undefined || cluster === undefined
      ? {}
      : buildWorkload(workload, plan, cluster, { ...options, aws })),
  };
}

interface NetworkOfStack {
  readonly vpcId: pulumi.Input<string>;
  /** All networks of the VPC. */
  readonly cidrs: readonly string[];
  readonly nodeSubnets: readonly NodeSubnet[];
  /** What other stacks learn of it. */
  readonly output: object;
  readonly ready: readonly pulumi.Resource[];
}

/** Undefined where nothing of this stack is in a network. */
async function networkOf(
  { network, cluster, name, protect }: EksPlan,
  base: BaseStack | undefined,
  aws: AwsProvider,
): Promise<NetworkOfStack | undefined> {
  if (network !== undefined && "zones" in network) {
    const made = new Network(`${name}-network`, { plan: network, protect }, { providers: [aws] });
    const { vpcId, nodeSubnets, privateSubnetIds, publicSubnetIds } = made;
    const output = { vpcId, privateSubnetIds, publicSubnetIds };
    return { vpcId, cidrs: [network.cidr], nodeSubnets, output, ready: [made] };
  }
  const given = network ?? (cluster === undefined ? undefined : await base?.network());
  if (given === undefined) return undefined;
  // Others than those of clusters need no rights on EC2 for it.
  const [cidrs, nodeSubnets] =
    cluster === undefined ? [[], []] : await Promise.all([cidrsOf(given, aws), subnetsOf(given, aws)]);
  return { vpcId: given.vpcId, cidrs, nodeSubnets, output: given, ready: [] };
}

async function cidrsOf({ vpcId }: GivenNetwork, provider: AwsProvider): Promise<string[]> {
  const { cidrBlock, cidrBlockAssociations } = await getVpc({ id: vpcId }, { provider });
  return [...new Set([cidrBlock, ...cidrBlockAssociations.map((other) => other.cidrBlock)])];
}

/** With the zones of each, which node groups go by. */
function subnetsOf({ privateSubnetIds }: GivenNetwork, provider: AwsProvider): Promise<NodeSubnet[]> {
  return Promise.all(
    privateSubnetIds.map(async (id) => {
      const { availabilityZone } = await getSubnet({ id }, { provider });
      return { id, zone: availabilityZone };
    }),
  );
}

interface ClusterOfStack {
  readonly oidcProvider: OidcProvider;
  readonly kubernetes: KubernetesProvider;
  /** What other stacks learn of it. */
  readonly output: object;
  /** What outlives the workload. */
  readonly ready: readonly pulumi.Resource[];
}

/** AWS, and what is asked of it and of the cluster. */
interface Outside {
  readonly aws: AwsProvider;
  readonly checks: Checks;
}

/** Undefined where this stack has to do with no cluster. */
async function clusterOf(
  plan: EksPlan,
  base: BaseStack | undefined,
  network: NetworkOfStack | undefined,
  outside: Outside,
): Promise<ClusterOfStack | undefined> {
  if (plan.cluster !== undefined && network !== undefined)
    return makeCluster(plan.cluster, plan, network, outside);
  if (plan.cluster !== undefined || (plan.workload !== undefined && base === undefined))
    throw new Error("the check lets no layer through whose lower ones are nobody's");
  if (base === undefined || plan.workload === undefined) return undefined;
  const output = await base.cluster();
  await outside.checks.reachable(output.endpoint);
  return {
    oidcProvider: { arn: output.oidcProviderArn, issuer: output.oidcIssuer },
    kubernetes: kubernetesProvider(output.name, output.kubeconfig),
    output,
    ready: [],
  };
}

function makeCluster(
  cluster: ClusterPlan,
  { name, region, tags, protect }: EksPlan,
  { vpcId, cidrs, nodeSubnets, ready }: NetworkOfStack,
  { aws, checks }: Outside,
): ClusterOfStack {
  const made = new Cluster(
    name,
    { name, plan: cluster, region, vpcId, vpcCidrs: cidrs, subnets: nodeSubnets, tags, protect },
    { providers: [aws], dependsOn: [...ready] },
  );
  const { clusterName, endpoint, certificateAuthority, oidcProvider, securityGroupId, kubeconfig } = made;
  // Once it is known: before the first object, and in each preview from then on.
  const reached = pulumi.all([kubeconfig, endpoint]).apply(async ([config, server]) => {
    await checks.reachable(server);
    return config;
  });
  const kubernetes = kubernetesProvider(name, reached);
  const controllers = new ClusterControllers(
    `${name}-controllers`,
    { controllers: cluster.controllers, vpcId, oidcProvider },
    { providers: [aws, kubernetes], dependsOn: made },
  );
  return {
    oidcProvider,
    kubernetes,
    output: {
      name: clusterName,
      endpoint,
      certificateAuthority,
      oidcProviderArn: oidcProvider.arn,
      oidcIssuer: oidcProvider.issuer,
      securityGroupId,
      kubeconfig,
    },
    ready: [made, controllers],
  };
}

/** Another endpoint or certificate of the cluster is the same cluster: nothing is replaced for it. */
function kubernetesProvider(name: string, kubeconfig: pulumi.Input<string>): KubernetesProvider {
  return new KubernetesProvider("kubernetes", {
    kubeconfig,
    clusterIdentifier: name,
    enableServerSideApply: true,
  });
}

/** The target `kubernetes`, unchanged, with what AWS has for it: bucket, roles, secrets, images and a name. */
function buildWorkload(
  workload: WorkloadPlan,
  { name, region, protect }: EksPlan,
  { oidcProvider, kubernetes, ready }: ClusterOfStack,
  { aws, project, holysheepApiKey }: Omit<BuildOptions, "file" | "checks"> & { readonly aws: AwsProvider },
): Record<string, unknown> {
  const onAws = { providers: [aws] };
  const bucket = new ModelBucket(
    `${name}-models`,
    { plan: workload.bucket, prefix: workload.store.prefix, protect },
    onAws,
  );
  const readers = [
    new PodRole(
      `${name}-model-reader`,
      {
        plan: workload.readerRole,
        oidcProvider,
        statements: bucket.keyArn.apply((key) => decryptPolicy(key, "s3", { region }).Statement),
      },
      onAws,
    ),
  ];
  const secrets: pulumi.Resource[] = [];
  if (workload.secrets !== undefined) {
    const made = new PlatformSecrets(
      `${name}-secrets`,
      {
        plan: workload.secrets,
        protect,
        ...(holysheepApiKey === undefined ? {} : { holysheepApiKey }),
      },
      onAws,
    );
    secrets.push(made);
    const statements = made.keyArn.apply((key) => decryptPolicy(key, "secretsmanager", { region }).Statement);
    readers.push(
      new PodRole(
        `${name}-secret-reader`,
        { plan: workload.secrets.readerRole, oidcProvider, statements },
        onAws,
      ),
    );
  }
  const images =
    workload.imageRepository === undefined
      ? []
      : [new ImageRepository(`${name}-images`, { plan: workload.imageRepository, protect }, onAws)];
  const serverImages = buildServerImages(project, workload.kubernetes.serverImages, { dependsOn: images });

  // Services, ScaledObjects, ExternalSecrets and volumes go while what acts for them is still there.
  const { address } = new KubernetesPlatform(
    "triton",
    { plan: workload.kubernetes, store: workload.store, serverImages },
    { providers: [kubernetes], dependsOn: [...ready, bucket, ...readers, ...secrets] },
  );
  const { description } = workload.kubernetes;
  if (workload.dns === undefined) return publishedOutputs(description, address, workload.tls);
  const known = address.apply((there) => {
    if (there === undefined)
      throw refusal("The balancer's Service has no address, and eks.loadBalancer.dns names it");
    return there;
  });
  new DnsName(`${name}-dns`, { ...workload.dns, address: known }, onAws);
  const { name: dnsName } = workload.dns;
  return { ...publishedOutputs(description, address, workload.tls, dnsName), dnsName };
}
