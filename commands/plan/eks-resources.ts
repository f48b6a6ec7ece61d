import * as pulumi from "@pulumi/pulumi";
import { buildEks } from "../../components/aws/build.ts";
import { omit } from "../../core/objects.ts";
import type { EksPlan } from "../../core/aws/plan.ts";
import { later, laterValue } from "../../core/plan/later.ts";
import type { PlannedResource } from "../../core/plan/resources.ts";
import { projectRoot } from "../setup/places.ts";
import { record, type Registered, type StandIns } from "./record.ts";

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
  const shown = Object.fromEntries(Object.entries(inputs).map(([key, value]) => [key, plain(value)]));
  return { type, name, protect, ignoreChanges, inputs: shown };
}

/** Of secrets, that they are; of what is not known, that it is not. */
function plain(value: unknown): unknown {
  if (pulumi.isUnknown(value)) return laterValue;
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  if (pulumi.runtime.specialSigKey in value) return "[secret]";
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
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
