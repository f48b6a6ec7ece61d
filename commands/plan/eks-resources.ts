import * as pulumi from "@pulumi/pulumi";
import { buildEks } from "../../components/aws/build.ts";
import { omit } from "../../core/objects.ts";
import type { EksPlan } from "../../core/aws/plan.ts";
import { later } from "../../core/plan/later.ts";
import type { PlannedResource } from "../../core/plan/resources.ts";
import { projectRoot } from "../setup/places.ts";
import { plainInputs, record, type Registered, type StandIns } from "./record.ts";

/**
 * What the program registers for a stack on AWS beside the cluster's objects, charts and model repositories, which have
 * files of their own: the program itself runs, as in the preview of a stack of which nothing is there, and nobody is asked.
 */
export async function eksResources(
  plan: EksPlan,
  file: string,
): Promise<{ readonly resources: readonly PlannedResource[]; readonly notes: readonly string[] }> {
  const { plan: askingNobody, notes } = withoutUnknownZones(plan);
  const { stackTraceLimit } = Error;
  // As in program.mjs: errors that the SDK keeps with every resource.
  Error.stackTraceLimit = 1;
  try {
    const { resources, error } = await record(
      () =>
        buildEks(askingNobody, {
          ...{ project: projectRoot, file, checks: nobody },
          holysheepApiKey: pulumi.secret("of the stack's config"),
        }),
      standIns(askingNobody),
    );
    if (error !== undefined) throw error;
    return { resources: resources.filter(isShownAsResource).map(plannedOf), notes };
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

const nobody = { available: () => Promise.resolve(), reachable: () => Promise.resolve() };

/** In which zones subnets are that somebody else has made, AWS alone knows. */
function withoutUnknownZones(plan: EksPlan): { readonly plan: EksPlan; readonly notes: readonly string[] } {
  const { cluster, network } = plan;
  if (cluster === undefined || (network !== undefined && "zones" in network)) return { plan, notes: [] };
  const nodeGroups = cluster.nodeGroups.map((group) => omit(group, "zones"));
  const narrowed = cluster.nodeGroups.flatMap(({ name, zones }) => (zones === undefined ? [] : [name]));
  return {
    plan: { ...plan, cluster: { ...cluster, nodeGroups } },
    notes:
      narrowed.length === 0
        ? []
        : [
            `AWS alone knows which of the given subnets are in the zones of the node groups ${narrowed.join(", ")}: all are shown`,
          ],
  };
}

function isShownAsResource({ type, custom }: Registered): boolean {
  return custom && !/^(kubernetes|modelstore|pulumi:pulumi):/.test(type);
}

function plannedOf({ type, name, inputs, protect, ignoreChanges }: Registered): PlannedResource {
  return { type, name, protect, ignoreChanges, inputs: plainInputs(inputs) };
}

/** Of what policies of IAM name there is a name instead; what is not said here is not known. */
function standIns({ baseStack = "" }: EksPlan): StandIns {
  return {
    isPreview: true,
    id: (name) => later("id", name),
    outputs: ({ type, name }) => {
      switch (type) {
        case "pulumi:pulumi:StackReference":
          return { outputs: outputsOf(baseStack), secretOutputNames: [] };
        case "aws:eks/cluster:Cluster":
          return {
            arn: later("arn", name),
            identities: [{ oidcs: [{ issuer: `https://${later("issuer", name)}` }] }],
          };
        case "aws:eks/nodeGroup:NodeGroup":
          return {
            arn: later("arn", name),
            resources: [{ autoscalingGroups: [{ name: later("autoscalingGroupName", name) }] }],
          };
        case "aws:ec2/launchTemplate:LaunchTemplate":
          return { arn: later("arn", name), latestVersion: later("latestVersion", name) };
        default:
          return type.startsWith("aws:") ? { arn: later("arn", name) } : {};
      }
    },
    answer: (token, { id }) => {
      const owner = typeof id === "string" ? id : token;
      switch (token) {
        case "aws:ec2/getVpc:getVpc":
          return { cidrBlock: later("network", owner), cidrBlockAssociations: [] };
        case "aws:ec2/getSubnet:getSubnet":
          return { availabilityZone: later("zone", owner) };
        default:
          throw new Error(`a plan asks nobody: ${token}`);
      }
    },
  };
}

/** Of a base stack, which is asked on `up`. Source: components/aws/base-stack.ts. */
function outputsOf(stack: string): Readonly<Record<string, unknown>> {
  const of = (what: string): string => later(what, stack);
  return {
    network: { vpcId: of("vpcId"), privateSubnetIds: [of("privateSubnetIds")], publicSubnetIds: [] },
    cluster: {
      ...{ name: of("name"), endpoint: of("endpoint"), certificateAuthority: of("certificateAuthority") },
      ...{ oidcProviderArn: of("oidcProviderArn"), oidcIssuer: `https://${of("oidcIssuer")}` },
      ...{ securityGroupId: of("securityGroupId"), kubeconfig: of("kubeconfig") },
    },
  };
}
