import * as z from "zod";
import { chart, folder, rate } from "./kubernetes.ts";
import { duration, size } from "./units.ts";

/** What a stack's config says about AWS: `triton-platform:eks`, of the target `eks`. */

/** Parts of a platform on AWS. A stack makes all of them, or those it names; another stack makes the rest. */
export const layers = ["network", "cluster", "workload"] as const;
export type Layer = (typeof layers)[number];

const cidrV4 = z.cidrv4({ error: "this is no CIDR: write it like 10.0.0.0/16" });

/** Source: EC2 user guide, "Regions and Zones": a zone is its region and a letter; local zones are not for EKS nodes. */
const zone = z
  .string()
  .regex(/^[a-z]{2}(-[a-z]+)+-\d[a-z]$/, "this is no availability zone: write it like us-east-1a");

const arn = (service: string, example: string): z.ZodString =>
  z
    .string()
    .regex(
      new RegExp(String.raw`^arn:aws[\w-]*:${service}:\S+$`),
      `this is no ARN: write it like ${example}`,
    );

/** A resource of EC2: `vpc-0a1b2c3d`. */
const ec2Id = (kind: string): z.ZodString =>
  z
    .string()
    .regex(new RegExp(`^${kind}-[0-9a-f]{8,17}$`), `this is no id: write it like ${kind}-0123456789abcdef0`);

/** Days that CloudWatch Logs can keep. Source: CloudWatch Logs API, PutRetentionPolicy, `retentionInDays`. */
const logRetentionDays = z.literal([
  1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
]);

/** On everything that AWS can tag. Source: AWS Tagging, limits: keys of 128 characters, values of 256. */
export const tagValueSchema = z
  .string()
  .min(1)
  .max(256)
  .regex(
    /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u,
    "AWS takes this for no tag: write letters, digits, blanks and any of _.:/=+-@",
  );

const tagsSchema = z.strictObject({
  /** Who answers for what is made. */
  owner: tagValueSchema,
  environment: tagValueSchema,
  costCenter: tagValueSchema,
  /** Of a stack that is to go: how long it may live. */
  ttl: duration.optional(),
  /** More tags, by key. */
  others: z
    .record(
      z
        .string()
        .min(1)
        .max(128)
        .regex(/^(?!aws:)/i, "keys that begin with aws: are AWS' own"),
      tagValueSchema,
    )
    .default({}),
});

/** Services that nodes and pods call; with an endpoint each is reached inside the VPC. */
export const endpointServices = [
  ...(["ecr.api", "ecr.dkr", "sts", "logs", "secretsmanager", "ec2", "eks", "eks-auth"] as const),
  ...(["elasticloadbalancing", "autoscaling", "kms"] as const),
] as const;

const madeNetworkSchema = z.strictObject({
  /** Of the VPC: /16 to /20. Other networks that it is to be connected with must not overlap. */
  cidr: cidrV4.default("10.0.0.0/16"),
  /** Two or three; EKS wants two at least. A reservation's zone must be among them. */
  zones: z.array(zone).min(2).max(3),
  /** A NAT gateway in each zone (a zone that fails takes nobody else's way out), or one for all. */
  nat: z.enum(["perZone", "single"]).default("perZone"),
  /** With S3's gateway, which is always there and costs nothing. */
  interfaceEndpoints: z
    .array(z.enum(endpointServices))
    .default(["ecr.api", "ecr.dkr", "sts", "logs", "secretsmanager"]),
  flowLogRetentionDays: logRetentionDays.default(90),
});

const givenNetworkSchema = z.strictObject({
  vpcId: ec2Id("vpc"),
  /** Of nodes, pods and internal load balancers: two zones at least. */
  privateSubnetIds: z.array(ec2Id("subnet")).min(2),
  /** Of load balancers that the internet reaches. */
  publicSubnetIds: z.array(ec2Id("subnet")).default([]),
});

const accessSchema = z.strictObject({
  /** Role or user. Not of a session: `arn:aws:iam::…:role/…`, as IAM has it. */
  principalArn: arn("iam", "arn:aws:iam::111122223333:role/deployers"),
  /** EKS' access policies: `clusterAdmin` may do everything in the cluster. */
  policy: z.enum(["clusterAdmin", "admin", "edit", "view"]),
  /** Where the policy holds; the whole cluster where left out. */
  namespaces: z.array(z.string().min(1)).min(1).optional(),
});

/** Minor versions that EKS makes clusters of, the newest first. */
export const kubernetesVersions = ["1.36", "1.35", "1.34"] as const;

const addonVersion = z
  .string()
  .regex(
    /^v\d+\.\d+\.\d+-eksbuild\.\d+$/,
    "this is no version of an add-on: write it like v1.21.1-eksbuild.1",
  );

const clusterSchema = z.strictObject({
  version: z.enum(kubernetesVersions).default("1.35"),
  /**
   * Networks that reach the API server over the internet; left out, only the VPC does, and whoever deploys must be in it
   * or connected with it.
   */
  publicAccessCidrs: z.array(cidrV4).min(1).optional(),
  /** Networks connected with the VPC (peering, VPN) that reach the API server inside; the VPC itself always does. */
  privateAccessCidrs: z.array(cidrV4).default([]),
  /** Who may use the Kubernetes API, by a name of yours. Whoever deploys is to be among them, with `clusterAdmin`. */
  access: z.record(z.string().min(1), accessSchema),
  logRetentionDays: logRetentionDays.default(90),
  /** Versions of EKS' add-ons where another than the pinned one is wanted. */
  addons: z
    .strictObject({
      vpcCni: addonVersion.optional(),
      coredns: addonVersion.optional(),
      kubeProxy: addonVersion.optional(),
      ebsCsiDriver: addonVersion.optional(),
    })
    .prefault({}),
  charts: z
    .strictObject({
      loadBalancerController: chart(
        "https://aws.github.io/eks-charts",
        "aws-load-balancer-controller",
        "3.5.0",
      ),
      clusterAutoscaler: chart("https://kubernetes.github.io/autoscaler", "cluster-autoscaler", "9.59.0"),
      externalSecrets: chart("https://charts.external-secrets.io", "external-secrets", "2.9.0"),
      keda: chart("https://kedacore.github.io/charts", "keda", "2.20.2"),
    })
    .prefault({}),
});

const capacitySchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("onDemand") }),
  /** Cheaper, and taken away with two minutes' notice. */
  z.strictObject({ kind: z.literal("spot") }),
  /** An On-Demand Capacity Reservation, which is in one zone. */
  z.strictObject({ kind: z.literal("reservation"), id: ec2Id("cr"), zone }),
  /** A Capacity Block for ML: bought for some days, in one zone. */
  z.strictObject({ kind: z.literal("capacityBlock"), id: ec2Id("cr"), zone }),
]);

/** Of the node group that a pool of `nodes` becomes, beside what the pool says. */
const nodeGroupSchema = z.strictObject({
  capacity: capacitySchema.prefault({ kind: "onDemand" }),
  /** Other types that will do where the pool's own is not to be had: with the same GPUs, and no smaller. */
  otherInstanceTypes: z.array(z.string().min(1)).default([]),
  /** Zones of the network where it may have nodes; all of them where left out. */
  zones: z.array(zone).min(1).optional(),
  /** As far as the autoscaler may go down. 0: the first pod waits for a node. Default: the pool's count. */
  minCount: z.int().min(0).max(10_000).optional(),
  /** Of the root volume, gp3; where a type has NVMe disks, models and images are on those. */
  volumeSize: size.default(100 * 1024 ** 3),
  /** Nodes that an update of the group may take away at a time. */
  maxUnavailable: z.int().min(1).max(100).default(1),
});

const repositorySchema = z.strictObject({
  prefix: folder.default("triton"),
  /** Who brings models to the pods' disks; see the target `kubernetes`. */
  delivery: z.enum(["loader", "triton"]).default("loader"),
  downloadRate: rate.default(200 * 1024 ** 2),
  retain: z.int().min(0).max(1_000).default(10),
  /** How long the bucket's access logs stay. */
  accessLogRetentionDays: z.int().min(1).max(3_653).default(90),
});

const loadBalancerSchema = z.strictObject({
  scheme: z.enum(["internal", "internet-facing"]).default("internal"),
  /**
   * ACM's certificate, with which the NLB ends TLS. Without it TLS goes through to the balancer's own certificate
   * (`kubernetes.balancer.tls`), or there is none.
   */
  certificateArn: arn("acm", "arn:aws:acm:us-east-1:111122223333:certificate/12345678-…").optional(),
  /** Who may call. */
  sourceRanges: z.array(cidrV4).min(1).optional(),
  /** A name for it in Route 53. */
  dns: z
    .strictObject({
      zoneId: z
        .string()
        .regex(/^Z[A-Z0-9]{1,31}$/, "this is no hosted zone: write it like Z0123456789ABCDEFGHIJ"),
      /** Below the zone's own name. */
      name: z.string().regex(/^([a-z0-9_]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$/, "this is no host name"),
    })
    .optional(),
});

export const eksSchema = z.strictObject({
  /** Another account's credentials are refused. */
  account: z.string().regex(/^\d{12}$/, 'this is no AWS account: 12 digits, in quotes: "111122223333"'),
  region: z.string().regex(/^[a-z]{2}(-[a-z]+)+-\d$/, "this is no region: write it like us-east-1"),
  /** Of the cluster, and the beginning of other names. Default: triton-<stack>. */
  name: z
    .string()
    .regex(
      /^[a-z]([a-z0-9-]{0,26}[a-z0-9])?$/,
      "use lower-case letters, digits and -, at most 28, a letter first",
    )
    .optional(),
  tags: tagsSchema,
  layers: z
    .array(z.enum(layers))
    .min(1)
    .default([...layers]),
  /** The stack that made the other layers, as `pulumi stack ls` shows it or `organization/project/stack`. */
  baseStack: z.string().min(1).optional(),
  /** Of the layer `network`; or an existing VPC. */
  network: z.union([givenNetworkSchema, madeNetworkSchema]).optional(),
  /** Of the layer `cluster`. */
  cluster: clusterSchema.optional(),
  /** By pool of `nodes`: each pool becomes a managed node group. */
  nodeGroups: z.record(z.string().min(1), nodeGroupSchema).default({}),
  repository: repositorySchema.prefault({}),
  /** Triton's image with the models' Python packages in it, built here and pushed to ECR. Default: none is built. */
  serverImage: z
    .strictObject({
      /** pip requirements with hashes or pinned versions, relative to the project. */
      requirements: z.string().min(1),
    })
    .optional(),
  loadBalancer: loadBalancerSchema.prefault({}),
  /** How long a deleted secret can still be had back; 0: it is gone at once, and its name is free. */
  secretRecoveryDays: z.union([z.literal(0), z.int().min(7).max(30)]).default(30),
  /** Whether `pulumi destroy` refuses, and AWS with it, until this is false and deployed. */
  protect: z.boolean().default(false),
});

/** Of a pool of which the config says nothing more. */
export const nodeGroupDefaults: NodeGroupConfig = nodeGroupSchema.parse({});

export type EksConfig = Readonly<z.output<typeof eksSchema>>;
export type NetworkConfig = NonNullable<EksConfig["network"]>;
export type MadeNetworkConfig = z.output<typeof madeNetworkSchema>;
export type ClusterConfig = NonNullable<EksConfig["cluster"]>;
export type NodeGroupConfig = EksConfig["nodeGroups"][string];
export type CapacityConfig = NodeGroupConfig["capacity"];
export type LoadBalancerConfig = EksConfig["loadBalancer"];
