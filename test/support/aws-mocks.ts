import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import type { Registered, StandIns } from "../../commands/plan/record.ts";

/** AWS as program tests need it: what it computes, by type of resource, and what it answers. */
export function awsStandIns(endpoint: string, answers: Answers = usual): StandIns {
  return {
    outputs: (resource) => ({ arn: `arn:aws:of:${resource.name}`, ...computed(resource, endpoint) }),
    answer: (token, args) => answers[token]?.(args) ?? {},
    secrets: { "holysheep:apiKey": "sk-planted" },
  };
}

/** A deployer among those that the committed stacks let in. */
export const deployer = "arn:aws:sts::111122223333:assumed-role/deployers/ci";

const issuer = "https://oidc.eks.us-east-1.amazonaws.com/id/0123456789ABCDEF";

function computed(
  { type, name, inputs }: Pick<Registered, "type" | "name" | "inputs">,
  endpoint: string,
): Readonly<Record<string, unknown>> {
  switch (type) {
    case "aws:eks/cluster:Cluster":
      return {
        endpoint,
        certificateAuthority: { data: "Y2VydGlmaWNhdGU=" },
        identities: [{ oidcs: [{ issuer }] }],
        vpcConfig: { clusterSecurityGroupId: `${name}-security-group` },
      };
    case "aws:eks/nodeGroup:NodeGroup":
      return { resources: [{ autoscalingGroups: [{ name: `${name}-group` }] }] };
    case "aws:ec2/launchTemplate:LaunchTemplate":
      return { latestVersion: 1 };
    case "aws:ecr/repository:Repository":
      return { repositoryUrl: `111122223333.dkr.ecr.us-east-1.amazonaws.com/${String(inputs.name)}` };
    case "kubernetes:core/v1:Service":
      return { status: { loadBalancer: { ingress: [{ hostname: "nlb.elb.us-east-1.amazonaws.com" }] } } };
    case "docker:index/image:Image":
      return { repoDigest: `${String(inputs.imageName).split(":")[0] ?? ""}@sha256:${"cd".repeat(32)}` };
    case "pulumi:pulumi:StackReference":
      return {
        outputs: { network: baseNetwork, cluster: { ...baseCluster, endpoint } },
        secretOutputNames: [],
      };
    default:
      return {};
  }
}

const baseNetwork = {
  vpcId: "vpc-0123456789abcdef0",
  privateSubnetIds: ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"],
  publicSubnetIds: [],
};
const baseCluster = {
  name: "triton-prod",
  certificateAuthority: "Y2VydGlmaWNhdGU=",
  oidcProviderArn:
    "arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/0123456789ABCDEF",
  oidcIssuer: issuer,
  securityGroupId: "sg-0123456789abcdef0",
  kubeconfig: "{}",
};

export type Answers = Readonly<
  Record<string, (args: Readonly<Record<string, unknown>>) => Record<string, unknown>>
>;

const zones = ["us-east-1a", "us-east-1b", "us-east-1c"];

/** Of an account that has all that the committed stacks need. */
export const usual: Answers = {
  "aws:ec2/getSubnet:getSubnet": ({ id }) => ({
    id,
    availabilityZone: id === "subnet-0123456789abcdef0" ? "us-east-1a" : "us-east-1b",
  }),
  "aws:ec2/getVpc:getVpc": () => ({
    cidrBlock: "10.1.0.0/16",
    cidrBlockAssociations: [{ cidrBlock: "10.1.0.0/16" }, { cidrBlock: "100.64.0.0/16" }],
  }),
  "aws:index/getCallerIdentity:getCallerIdentity": () => ({ accountId: "111122223333", arn: deployer }),
  "aws:index/getAvailabilityZones:getAvailabilityZones": () => ({
    names: zones,
    zoneIds: ["use1-az1", "use1-az2", "use1-az4"],
  }),
  "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings": () => ({ locations: zones }),
  "aws:servicequotas/getServiceQuota:getServiceQuota": () => ({ value: 1_000 }),
  "aws:route53/getZone:getZone": () => ({ name: "example.com." }),
};

/** Stands for an API server, as far as it is reached, with an AWS CLI on PATH. */
export interface ApiServer {
  readonly endpoint: string;
  stop(): Promise<void>;
}

export async function startApiServer(): Promise<ApiServer> {
  const server = createServer((socket) => socket.end());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  const bin = mkdtempSync(path.join(tmpdir(), "tp-bin-"));
  writeFileSync(path.join(bin, "aws"), "", { mode: 0o755 });
  const { PATH = "" } = process.env;
  process.env.PATH = `${bin}${path.delimiter}${PATH}`;
  return {
    endpoint: `https://127.0.0.1:${String(address.port)}`,
    stop: async () => {
      process.env.PATH = PATH;
      rmSync(bin, { recursive: true });
      await new Promise<void>((resolve) => {
        server.close(() => {
          resolve();
        });
      });
    },
  };
}
