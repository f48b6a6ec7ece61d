import * as pulumi from "@pulumi/pulumi";
import { beforeAll, describe, expect, it } from "vitest";
import type {
  ClusterPlan,
  NetworkPlan,
  NodeGroupPlan,
  PodRolePlan,
  ServiceRolePlan,
} from "../../core/aws/plan.ts";
import { awsStandIns } from "../support/aws-mocks.ts";
import type { Registered } from "../../commands/plan/record.ts";
import { register } from "../support/stack-mocks.ts";

type Components = typeof import("../../components/index.ts");
let components: Components;

beforeAll(async () => {
  components = await import("../../components/index.ts");
});

/** What a component registers. */
async function made(use: (from: Components) => unknown): Promise<readonly Registered[]> {
  const { resources } = await register(
    () => Promise.resolve(use(components)).then(() => ({})),
    awsStandIns("https://api.example.com"),
  );
  return resources;
}

/** The only one of a type whose name ends so. */
function one(resources: readonly Registered[], type: string, suffix = ""): Registered {
  const found = all(resources, type).filter(({ name }) => name.endsWith(suffix));
  const [first] = found;
  if (first === undefined || found.length > 1)
    throw new Error(`${String(found.length)} of ${type} ${suffix}`);
  return first;
}

function all(resources: readonly Registered[], type: string): readonly Registered[] {
  return resources.filter((resource) => resource.type.endsWith(`:${type}`));
}

function json(value: unknown): unknown {
  return typeof value === "string" ? JSON.parse(value) : value;
}

const trust: ServiceRolePlan["trust"] = {
  Version: "2012-10-17",
  Statement: [{ Effect: "Allow", Principal: { Service: "eks.amazonaws.com" }, Action: "sts:AssumeRole" }],
};

function serviceRole(roleName: string, ...policies: readonly string[]): ServiceRolePlan {
  return {
    roleName,
    roleArn: `arn:aws:iam::111122223333:role/${roleName}`,
    trust,
    managedPolicyArns: policies.map((policy) => `arn:aws:iam::aws:policy/${policy}`),
  };
}

function podRole(roleName: string, ...serviceAccounts: readonly string[]): PodRolePlan {
  return {
    roleName,
    roleArn: `arn:aws:iam::111122223333:role/${roleName}`,
    serviceAccounts,
    managedPolicyArns: [],
  };
}

const oidcProvider = {
  arn: "arn:aws:iam::111122223333:oidc-provider/oidc.example.com/id/1",
  issuer: "https://oidc.example.com/id/1",
};

const subnets = [
  { zone: "us-east-1a", id: "subnet-a" },
  { zone: "us-east-1b", id: "subnet-b" },
];

const networkPlan: NetworkPlan = {
  cidr: "10.0.0.0/16",
  zones: [
    { zone: "us-east-1a", publicCidr: "10.0.192.0/22", privateCidr: "10.0.0.0/18", natZone: "us-east-1a" },
    { zone: "us-east-1b", publicCidr: "10.0.196.0/22", privateCidr: "10.0.64.0/18", natZone: "us-east-1a" },
  ],
  interfaceEndpoints: ["com.amazonaws.us-east-1.ecr.api"],
  s3Endpoint: "com.amazonaws.us-east-1.s3",
  flowLogGroup: "/aws/vpc/models/flow-logs",
  flowLogRetentionDays: 30,
  flowLogRole: serviceRole("flow-logs"),
  publicSubnetTags: { "kubernetes.io/role/elb": "1" },
  privateSubnetTags: { "kubernetes.io/role/internal-elb": "1" },
};

const systemGroup: NodeGroupPlan = {
  name: "system",
  instanceTypes: ["m7i.large"],
  amiType: "AL2023_x86_64_STANDARD",
  capacityType: "ON_DEMAND",
  minSize: 2,
  desiredSize: 2,
  maxSize: 4,
  volumeSize: 100.5 * 1024 ** 3,
  labels: { pool: "system" },
  taints: [],
  maxUnavailable: 1,
  autoscalingTags: { "k8s.io/cluster-autoscaler/node-template/label/pool": "system" },
};

const clusterPlan: ClusterPlan = {
  version: "1.35",
  role: serviceRole("cluster", "AmazonEKSClusterPolicy"),
  nodeRole: serviceRole("node", "AmazonEKSWorkerNodePolicy"),
  publicAccessCidrs: [],
  privateAccessCidrs: ["192.168.0.0/16"],
  logTypes: ["api", "audit"],
  logRetentionDays: 90,
  access: [
    {
      name: "deployers",
      principalArn: "arn:aws:iam::111122223333:role/deployers",
      policyArn: "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy",
      namespaces: [],
    },
    {
      name: "team",
      principalArn: "arn:aws:iam::111122223333:role/team",
      policyArn: "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy",
      namespaces: ["triton"],
    },
  ],
  addons: [
    {
      name: "vpc-cni",
      version: "v1.22.4-eksbuild.3",
      configuration: { enableNetworkPolicy: "true" },
      role: podRole("vpc-cni", "kube-system:aws-node"),
      needsNodes: false,
    },
    { name: "coredns", version: "v1.13.2-eksbuild.31", needsNodes: true },
  ],
  nodeGroups: [systemGroup],
  controllers: [],
};

describe("Network", () => {
  const network = (plan: NetworkPlan, protect?: boolean) =>
    made(({ Network }) => new Network("models", { plan, ...(protect === undefined ? {} : { protect }) }));

  it("leads each zone's nodes out by its NAT gateway, and all to S3 by a gateway", async () => {
    const resources = await network(networkPlan);
    expect(all(resources, "NatGateway").map(({ inputs }) => inputs.subnetId)).toEqual([
      "models-public-us-east-1a-id",
    ]);
    const routes = (zone: string): unknown => one(resources, "RouteTable", `${zone}-routes`).inputs.routes;
    const expected = [{ cidrBlock: "0.0.0.0/0", natGatewayId: "models-nat-us-east-1a-id" }];
    expect([routes("us-east-1a"), routes("us-east-1b")]).toEqual([expected, expected]);
    expect(one(resources, "VpcEndpoint", "s3").inputs).toMatchObject({
      vpcEndpointType: "Gateway",
      routeTableIds: [
        "models-public-routes-id",
        "models-private-us-east-1a-routes-id",
        "models-private-us-east-1b-routes-id",
      ],
    });
    const perZone = await network({
      ...networkPlan,
      zones: networkPlan.zones.map((zone) => ({ ...zone, natZone: zone.zone })),
    });
    expect(all(perZone, "NatGateway")).toHaveLength(2);
    expect(one(perZone, "RouteTable", "private-us-east-1b-routes").inputs.routes).toEqual([
      { cidrBlock: "0.0.0.0/0", natGatewayId: "models-nat-us-east-1b-id" },
    ]);
  });

  it("tags subnets for load balancers", async () => {
    const resources = await network(networkPlan);
    expect(one(resources, "Subnet", "public-us-east-1a").inputs.tags).toMatchObject({
      "kubernetes.io/role/elb": "1",
    });
    expect(one(resources, "Subnet", "private-us-east-1b").inputs).toMatchObject({
      cidrBlock: "10.0.64.0/18",
      availabilityZone: "us-east-1b",
      tags: { "kubernetes.io/role/internal-elb": "1" },
    });
  });

  it("reaches AWS' services inside, by HTTPS from the VPC alone, and through no default security group", async () => {
    const resources = await network(networkPlan);
    expect(one(resources, "VpcEndpoint", "ecr-api").inputs).toMatchObject({
      vpcEndpointType: "Interface",
      privateDnsEnabled: true,
      subnetIds: ["models-private-us-east-1a-id", "models-private-us-east-1b-id"],
      securityGroupIds: ["models-endpoints-id"],
    });
    expect(one(resources, "SecurityGroup").inputs.ingress).toEqual([
      { protocol: "tcp", fromPort: 443, toPort: 443, cidrBlocks: ["10.0.0.0/16"] },
    ]);
    expect(one(resources, "DefaultSecurityGroup").inputs).toMatchObject({ ingress: [], egress: [] });
    const without = await network({ ...networkPlan, interfaceEndpoints: [] });
    expect(all(without, "SecurityGroup")).toEqual([]);
    expect(all(without, "VpcEndpoint")).toHaveLength(1);
  });

  it("logs all flows, once the role may write", async () => {
    const resources = await network(networkPlan);
    expect(one(resources, "LogGroup").inputs).toMatchObject({
      name: "/aws/vpc/models/flow-logs",
      retentionInDays: 30,
    });
    const log = one(resources, "FlowLog");
    expect(log.inputs).toMatchObject({ trafficType: "ALL", vpcId: "models-vpc-id" });
    expect(log.dependsOn).toEqual(["models-flow-logs"]);
  });

  it("protects the VPC where it is told to", async () => {
    expect(one(await network(networkPlan), "Vpc").protect).toBe(false);
    expect(one(await network(networkPlan, true), "Vpc").protect).toBe(true);
  });
});

describe("Cluster", () => {
  const place = {
    name: "models",
    region: "us-east-1",
    vpcId: "vpc-1",
    vpcCidrs: ["10.0.0.0/16"],
    subnets,
  };
  const cluster = (plan: ClusterPlan, protect = false) =>
    made(({ Cluster }) => new Cluster("models", { ...place, plan, protect }));

  it("is private unless networks are named", async () => {
    const closed = await cluster(clusterPlan);
    expect(one(closed, "eks/cluster:Cluster").inputs.vpcConfig).toEqual({
      endpointPrivateAccess: true,
      endpointPublicAccess: false,
      subnetIds: ["subnet-a", "subnet-b"],
      securityGroupIds: ["models-api-id"],
    });
    expect(one(closed, "SecurityGroup").inputs.ingress).toEqual([
      { protocol: "tcp", fromPort: 443, toPort: 443, cidrBlocks: ["10.0.0.0/16", "192.168.0.0/16"] },
    ]);
    const open = await cluster({ ...clusterPlan, publicAccessCidrs: ["203.0.113.0/24"] });
    expect(one(open, "eks/cluster:Cluster").inputs.vpcConfig).toMatchObject({
      endpointPrivateAccess: true,
      endpointPublicAccess: true,
      publicAccessCidrs: ["203.0.113.0/24"],
    });
  });

  it("gives nobody rights by chance, encrypts Secrets and keeps the logs that it makes", async () => {
    const resources = await cluster(clusterPlan);
    const control = one(resources, "eks/cluster:Cluster");
    expect(control.inputs).toMatchObject({
      accessConfig: { authenticationMode: "API", bootstrapClusterCreatorAdminPermissions: false },
      bootstrapSelfManagedAddons: false,
      encryptionConfig: { provider: { keyArn: "arn:aws:of:models-key" }, resources: ["secrets"] },
      enabledClusterLogTypes: ["api", "audit"],
      upgradePolicy: { supportType: "STANDARD" },
    });
    expect(control.dependsOn).toEqual(["models-logs", "models-control-plane"]);
    expect(one(resources, "LogGroup").inputs).toMatchObject({ name: "/aws/eks/models/cluster" });
    expect(one(resources, "Key").inputs).toMatchObject({ enableKeyRotation: true });
  });

  it("lets in whom it names, as far as it says", async () => {
    const resources = await cluster(clusterPlan);
    expect(one(resources, "AccessPolicyAssociation", "deployers-policy").inputs.accessScope).toEqual({
      type: "cluster",
    });
    expect(one(resources, "AccessPolicyAssociation", "team-policy").inputs.accessScope).toEqual({
      type: "namespace",
      namespaces: ["triton"],
    });
  });

  it("has add-ons before nodes and after them", async () => {
    const resources = await cluster(clusterPlan);
    const [system] = all(resources, "aws:NodeGroup");
    expect(system?.dependsOn).toEqual(["models-node", "models-vpc-cni"]);
    expect(one(resources, "ClusterAddon", "coredns").dependsOn).toEqual(["models-system"]);
    expect(one(resources, "Addon", "vpc-cni-addon").inputs).toMatchObject({
      addonVersion: "v1.22.4-eksbuild.3",
      configurationValues: '{"enableNetworkPolicy":"true"}',
      serviceAccountRoleArn: "arn:aws:of:models-vpc-cni-role",
    });
  });

  it("protects itself, its key and its nodes, and has AWS do so", async () => {
    const names = (resources: readonly Registered[]): string[] =>
      resources.filter(({ protect }) => protect).map(({ name }) => name);
    expect(names(await cluster(clusterPlan))).toEqual([]);
    const kept = await cluster(clusterPlan, true);
    expect(names(kept)).toEqual(["models", "models-system-nodes", "models-key"]);
    const control = one(kept, "eks/cluster:Cluster");
    expect(control.inputs.deletionProtection).toBe(true);
    expect(one(kept, "Key").inputs.deletionWindowInDays).toBe(30);
  });

  it("hands out a kubeconfig without a secret, once access is given", async () => {
    let text = "";
    await made(({ Cluster }) => {
      const models = new Cluster("models", { ...place, plan: clusterPlan });
      models.kubeconfig.apply((kubeconfig) => (text = kubeconfig));
    });
    expect(json(text)).toMatchObject({
      "current-context": "models",
      clusters: [{ cluster: { server: "https://api.example.com" } }],
      users: [
        {
          user: {
            exec: {
              command: "aws",
              args: [
                "eks",
                "get-token",
                "--cluster-name",
                "models",
                "--region",
                "us-east-1",
                "--output",
                "json",
              ],
            },
          },
        },
      ],
    });
  });
});

describe("NodeGroup", () => {
  const group = (plan: NodeGroupPlan, tags?: Readonly<Record<string, string>>) =>
    made(
      ({ NodeGroup }) =>
        new NodeGroup("models", {
          plan,
          clusterName: "models",
          subnets,
          nodeRoleArn: "arn:aws:iam::111122223333:role/node",
          ...(tags === undefined ? {} : { tags }),
        }),
    );
  const nodes = (resources: readonly Registered[]): Registered => one(resources, "NodeGroup", "-nodes");

  it("keeps pods from the metadata, encrypts volumes and tags what EC2 makes", async () => {
    const { inputs } = one(await group(systemGroup, { owner: "me" }), "LaunchTemplate");
    expect(inputs).toMatchObject({
      metadataOptions: { httpEndpoint: "enabled", httpTokens: "required", httpPutResponseHopLimit: 1 },
      blockDeviceMappings: [{ ebs: { encrypted: "true", volumeType: "gp3", volumeSize: 101 } }],
      tagSpecifications: ["instance", "volume", "network-interface"].map((resourceType) => ({
        resourceType,
        tags: { Name: "models", owner: "me" },
      })),
    });
    for (const absent of ["userData", "capacityReservationSpecification", "instanceMarketOptions"])
      expect(inputs).not.toHaveProperty(absent);
  });

  it("leaves its size to the autoscaler, and tells it what nodes will be", async () => {
    const resources = await group(systemGroup);
    expect(nodes(resources).ignoreChanges).toEqual(["scalingConfig.desiredSize"]);
    expect(one(resources, "Tag").inputs).toEqual({
      autoscalingGroupName: "models-nodes-group",
      tag: {
        key: "k8s.io/cluster-autoscaler/node-template/label/pool",
        value: "system",
        propagateAtLaunch: false,
      },
    });
  });

  it("asks for the reservation that it has, and for a block as one", async () => {
    const reserved = { ...systemGroup, reservation: "cr-0123456789abcdef0", zones: ["us-east-1b"] };
    const onDemand = await group(reserved);
    const target = { capacityReservationTarget: { capacityReservationId: "cr-0123456789abcdef0" } };
    expect(one(onDemand, "LaunchTemplate").inputs.capacityReservationSpecification).toEqual(target);
    expect(one(onDemand, "LaunchTemplate").inputs).not.toHaveProperty("instanceMarketOptions");
    expect(nodes(onDemand).inputs).toMatchObject({ subnetIds: ["subnet-b"], capacityType: "ON_DEMAND" });
    const block = await group({ ...reserved, capacityType: "CAPACITY_BLOCK" });
    expect(one(block, "LaunchTemplate").inputs).toMatchObject({
      capacityReservationSpecification: target,
      instanceMarketOptions: { marketType: "capacity-block" },
    });
    expect(nodes(block).inputs.capacityType).toBe("CAPACITY_BLOCK");
  });

  it("refuses zones without a subnet", async () => {
    await expect(group({ ...systemGroup, zones: ["us-east-1c"] })).rejects.toThrow(
      /node group system is for us-east-1c.*\n.*us-east-1a, us-east-1b/,
    );
  });
});

describe("GpuNodeGroup", () => {
  const gpus = (pool: { instanceType: string; maxCount: number; count?: number; mig?: string }) =>
    made(
      ({ GpuNodeGroup }) =>
        new GpuNodeGroup("a100", {
          clusterName: "models",
          subnets,
          nodeRoleArn: "arn:aws:iam::1:role/n",
          ...pool,
        }),
    );

  it("is all that GPU nodes are on EKS, from a few words", async () => {
    const resources = await gpus({ instanceType: "p4de.24xlarge", maxCount: 2, mig: "1g.10gb" });
    expect(one(resources, "NodeGroup", "-nodes").inputs).toMatchObject({
      amiType: "AL2023_x86_64_NVIDIA",
      scalingConfig: { minSize: 0, desiredSize: 0, maxSize: 2 },
      labels: { "nvidia.com/mig.config": "all-1g.10gb" },
      taints: [{ key: "nvidia.com/gpu", value: "present", effect: "NO_SCHEDULE" }],
    });
    const { userData } = one(resources, "LaunchTemplate").inputs;
    expect(Buffer.from(String(userData), "base64").toString()).toContain("strategy: RAID0");
    expect(all(resources, "Tag").map(({ inputs }) => inputs.tag)).toContainEqual({
      key: "k8s.io/cluster-autoscaler/node-template/resources/nvidia.com/mig-1g.10gb",
      value: "56",
      propagateAtLaunch: false,
    });
  });

  it.each([
    [{ instanceType: "m7i.large", maxCount: 1 }, /`m7i.large` is no type with GPUs/],
    [{ instanceType: "p4d.24xlarge", maxCount: 1, mig: "1g.10gbb" }, /no profile `1g.10gbb`/],
    [{ instanceType: "p4d.24xlarge", maxCount: 1, count: 2 }, /from 2 to 1/],
  ])("refuses %j", async (pool, message) => {
    await expect(gpus(pool)).rejects.toThrow(message);
  });
});

describe("PodRole", () => {
  it("is taken by the tokens of its ServiceAccounts alone", async () => {
    const plan = podRole("reader", "triton:triton-gpu", "triton:triton-llm");
    const resources = await made(({ PodRole }) => new PodRole("reader", { plan, oidcProvider }));
    const { inputs } = one(resources, "Role");
    expect(inputs.name).toBe("reader");
    expect(json(inputs.assumeRolePolicy)).toMatchObject({
      Statement: [
        {
          Principal: { Federated: oidcProvider.arn },
          Action: "sts:AssumeRoleWithWebIdentity",
          Condition: {
            StringEquals: {
              "oidc.example.com/id/1:aud": "sts.amazonaws.com",
              "oidc.example.com/id/1:sub": [
                "system:serviceaccount:triton:triton-gpu",
                "system:serviceaccount:triton:triton-llm",
              ],
            },
          },
        },
      ],
    });
    expect(all(resources, "RolePolicy")).toEqual([]);
  });

  it("may do what its plan says and what is known only then", async () => {
    const statement = (Action: string) => ({ Effect: "Allow", Action, Resource: "*" }) as const;
    const resources = await made(
      ({ PodRole }) =>
        new PodRole("reader", {
          plan: {
            ...podRole("reader", "a:b"),
            managedPolicyArns: ["arn:aws:iam::aws:policy/service-role/AmazonEBSCSIDriverPolicy"],
            policy: { Version: "2012-10-17", Statement: [statement("s3:GetObject")] },
          },
          oidcProvider,
          statements: pulumi.output([statement("kms:Decrypt")]),
        }),
    );
    expect(json(one(resources, "RolePolicy").inputs.policy)).toMatchObject({
      Statement: [{ Action: "s3:GetObject" }, { Action: "kms:Decrypt" }],
    });
    expect(one(resources, "RolePolicyAttachment").name).toBe("reader-AmazonEBSCSIDriverPolicy");
  });
});

describe("ModelBucket", () => {
  const bucket = (protect: boolean) =>
    made(
      ({ ModelBucket }) =>
        new ModelBucket("models", {
          plan: {
            name: "models",
            logBucket: "logs",
            accessLogRetentionDays: 7,
            policy: { Version: "2012-10-17", Statement: [] },
            logPolicy: { Version: "2012-10-17", Statement: [] },
          },
          prefix: "triton",
          protect,
        }),
    );

  it("is closed, versioned, encrypted with its key, and logs who reads", async () => {
    const resources = await bucket(true);
    for (const { inputs } of all(resources, "BucketPublicAccessBlock")) {
      expect(inputs).toMatchObject({
        blockPublicAcls: true,
        blockPublicPolicy: true,
        ignorePublicAcls: true,
        restrictPublicBuckets: true,
      });
    }
    expect(all(resources, "BucketPublicAccessBlock")).toHaveLength(2);
    expect(one(resources, "BucketVersioning").inputs).toMatchObject({ bucket: "models" });
    expect(
      one(resources, "BucketServerSideEncryptionConfiguration", "models-encryption").inputs.rules,
    ).toMatchObject([
      {
        applyServerSideEncryptionByDefault: {
          sseAlgorithm: "aws:kms",
          kmsMasterKeyId: "arn:aws:of:models-key",
        },
        bucketKeyEnabled: true,
      },
    ]);
    expect(one(resources, "BucketLogging").inputs).toMatchObject({ bucket: "models", targetBucket: "logs" });
  });

  it("lets no model go by its age: only old versions, below the prefix, and remains of uploads", async () => {
    expect(one(await bucket(true), "BucketLifecycleConfiguration", "models-lifecycle").inputs.rules).toEqual([
      {
        id: "expire-old-versions",
        status: "Enabled",
        filter: { prefix: "triton/" },
        noncurrentVersionExpiration: { noncurrentDays: 30 },
        expiration: { expiredObjectDeleteMarker: true },
      },
      {
        id: "abort-uploads",
        status: "Enabled",
        filter: {},
        abortIncompleteMultipartUpload: { daysAfterInitiation: 7 },
      },
    ]);
  });

  it("goes with all that is in it unless it is protected", async () => {
    const states = async (protect: boolean): Promise<unknown[]> =>
      all(await bucket(protect), "s3/bucket:Bucket").map((resource) => [
        resource.protect,
        resource.inputs.forceDestroy,
      ]);
    expect(await states(true)).toEqual([
      [true, false],
      [true, false],
    ]);
    expect(await states(false)).toEqual([
      [false, true],
      [false, true],
    ]);
  });
});

describe("PlatformSecrets", () => {
  const secrets = (holysheepApiKey?: string) =>
    made(
      ({ PlatformSecrets }) =>
        new PlatformSecrets("secrets", {
          plan: {
            holysheepApiKey: "models/holysheep",
            apiKeys: { name: "models/api-keys", map: "hash caller\n" },
            recoveryDays: 0,
            readerRole: podRole("secrets", "triton:secrets"),
          },
          ...(holysheepApiKey === undefined ? {} : { holysheepApiKey }),
        }),
    );

  it("hides values, and makes none for what people put in", async () => {
    const withKey = await secrets("sk-planted");
    for (const { inputs } of all(withKey, "SecretVersion"))
      expect(JSON.stringify(inputs.secretString)).toContain(pulumi.runtime.specialSecretSig);
    expect(all(withKey, "SecretVersion")).toHaveLength(2);
    const without = await secrets();
    expect(all(without, "Secret").map(({ inputs }) => inputs.name)).toEqual([
      "models/api-keys",
      "models/holysheep",
    ]);
    expect(all(without, "SecretVersion").map(({ name }) => name)).toEqual(["secrets-api-keys-value"]);
  });

  it("encrypts them with a key of their own", async () => {
    for (const { inputs } of all(await secrets(), "Secret"))
      expect(inputs).toMatchObject({ kmsKeyId: "arn:aws:of:secrets-key", recoveryWindowInDays: 0 });
  });
});

describe("ClusterControllers", () => {
  it("tells a chart the VPC, after its role and its namespace", async () => {
    const chart = (name: string, namespace: string) => ({
      ...{ name, namespace, chart: name, version: "1.2.3" },
      repository: "https://charts.example.com",
      values: { replicas: 2 },
    });
    const resources = await made(
      ({ ClusterControllers }) =>
        new ClusterControllers("controllers", {
          controllers: [
            {
              chart: chart("lbc", "kube-system"),
              vpcIdValue: "vpcId",
              role: podRole("lbc", "kube-system:lbc"),
            },
            { chart: chart("keda", "keda") },
          ],
          vpcId: "vpc-1",
          oidcProvider,
        }),
    );
    const lbc = one(resources, "Release", "lbc-release");
    expect(lbc.inputs).toMatchObject({ version: "1.2.3", values: { replicas: 2, vpcId: "vpc-1" } });
    expect(lbc.dependsOn).toContain("controllers-lbc");
    const keda = one(resources, "Release", "keda-release");
    expect(keda.inputs.values).toEqual({ replicas: 2 });
    expect(keda.dependsOn).toEqual(["controllers-keda"]);
    expect(all(resources, "Namespace").map(({ name }) => name)).toEqual(["controllers-keda"]);
  });
});

describe("ImageRepository and DnsName", () => {
  it("keeps a tag the same image, and is deleted with its images unless protected", async () => {
    const repository = (protect: boolean) =>
      made(
        ({ ImageRepository }) =>
          new ImageRepository("images", {
            plan: { name: "models/triton", url: "example", lifecycle: { rules: [] } },
            protect,
          }),
      );
    const kept = one(await repository(true), "Repository");
    expect(kept.inputs).toMatchObject({
      imageTagMutability: "IMMUTABLE",
      imageScanningConfiguration: { scanOnPush: true },
      encryptionConfigurations: [{ encryptionType: "KMS" }],
      forceDelete: false,
    });
    expect(kept.protect).toBe(true);
    expect(one(await repository(false), "Repository").inputs.forceDelete).toBe(true);
  });

  it("names a load balancer", async () => {
    const resources = await made(
      ({ DnsName }) =>
        new DnsName("dns", { zoneId: "Z1", name: "models.example.com", address: "nlb.example.com" }),
    );
    expect(one(resources, "Record").inputs).toMatchObject({
      ...{ zoneId: "Z1", name: "models.example.com", type: "CNAME" },
      records: ["nlb.example.com"],
    });
  });
});
