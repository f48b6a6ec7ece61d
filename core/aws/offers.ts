import type { Problem } from "../spec/problem.ts";
import { findType } from "./node-groups.ts";
import type { EksPlan, NodeGroupPlan } from "./plan.ts";
import type { Report } from "./report.ts";

/** Whether AWS has what a plan needs: checks of what an account and a region answer, before anything is made. */

/** What to ask. Whatever cannot be asked, as its answer is no right of the caller's, is left out of the answers. */
export interface AwsQuestions {
  /** In which zones each is offered. Source: EC2 API, DescribeInstanceTypeOfferings. */
  readonly instanceTypes: readonly string[];
  /** Codes of the service `ec2`. Source: Service Quotas API, GetServiceQuota. */
  readonly quotas: readonly string[];
  /** Source: EC2 API, DescribeCapacityReservations. */
  readonly reservations: readonly string[];
  /** Source: Route 53 API, GetHostedZone. */
  readonly hostedZone?: string;
}

export interface AwsAnswers {
  /** Whose credentials these are. Source: STS API, GetCallerIdentity. */
  readonly account: string;
  /** Of the region. Source: EC2 API, DescribeAvailabilityZones. */
  readonly zones: readonly { readonly name: string; readonly id: string }[];
  /** Zones by instance type. */
  readonly offers: ReadonlyMap<string, readonly string[]>;
  /** vCPUs by quota. */
  readonly quotas: ReadonlyMap<string, number>;
  /** By id; undefined for one that is not there. */
  readonly reservations: ReadonlyMap<string, ReservationAnswer | undefined>;
  /** Name of the hosted zone, without a dot at its end. */
  readonly hostedZone?: string;
}

export interface ReservationAnswer {
  readonly zone: string;
  readonly instanceType: string;
  /** Instances in all, free ones and those that run in it already. */
  readonly total: number;
  /** `active`, `scheduled`, `expired`, … */
  readonly state: string;
}

export function questionsOf({ cluster, workload }: EksPlan): AwsQuestions {
  const groups = cluster?.nodeGroups ?? [];
  const hostedZone = workload?.dns?.zoneId;
  return {
    instanceTypes: unique(groups.flatMap(({ instanceTypes }) => instanceTypes)),
    quotas: unique(groups.flatMap((group) => quotaOf(group)?.code ?? [])),
    reservations: unique(groups.flatMap(({ reservation }) => reservation ?? [])),
    ...(hostedZone === undefined ? {} : { hostedZone }),
  };
}

/** Everything that AWS would refuse later, or never give. `file` names the stack's config. */
export function offerProblems(plan: EksPlan, answers: AwsAnswers, file: string): Problem[] {
  const report: Report = (path, message, hint) => ({
    file,
    path: `triton-platform:${path}`,
    message,
    hint,
  });
  const ofAccount = accountProblems(plan, answers, report);
  // Another account has other zones, quotas and reservations: its answers say nothing here.
  if (ofAccount.length > 0) return ofAccount;
  const groups = plan.cluster?.nodeGroups ?? [];
  return [
    ...zoneProblems(plan, answers, report),
    ...groups.flatMap((group) => [
      ...offeredProblems(group, plan, answers, report),
      ...reservationProblems(group, answers, report),
    ]),
    ...quotaProblems(groups, plan, answers, report),
    ...hostedZoneProblems(plan, answers, report),
  ];
}

function accountProblems({ account }: EksPlan, answers: AwsAnswers, report: Report): Problem[] {
  return answers.account === account
    ? []
    : [
        report(
          "eks.account",
          `${account}, and these credentials are of the account ${answers.account}`,
          "use a profile of the stack's own account: AWS_PROFILE, or `aws sso login`",
        ),
      ];
}

/** Source: EKS user guide, "VPC and subnet requirements": zones, by id, in which no control plane can be. */
const zonesWithoutEks = ["use1-az3", "usw1-az2", "cac1-az3"];

function zoneProblems({ network, region }: EksPlan, { zones }: AwsAnswers, report: Report): Problem[] {
  if (network === undefined || !("zones" in network)) return [];
  const usable = zones.filter(({ id }) => !zonesWithoutEks.includes(id)).map(({ name }) => name);
  return network.zones.flatMap(({ zone }) => {
    const found = zones.find(({ name }) => name === zone);
    return usable.includes(zone)
      ? []
      : [
          report(
            "eks.network.zones",
            found === undefined
              ? `${region} has no zone \`${zone}\` for this account`
              : `\`${zone}\` is ${found.id}, where EKS has no control planes`,
            `use two or three of: ${usable.join(", ")}`,
          ),
        ];
  });
}

function offeredProblems(
  { name, instanceTypes, zones: own }: NodeGroupPlan,
  { network, region }: EksPlan,
  { offers }: AwsAnswers,
  report: Report,
): Problem[] {
  if (!instanceTypes.every((type) => offers.has(type))) return [];
  const offered = unique(instanceTypes.flatMap((type) => offers.get(type) ?? []));
  const ofNetwork = network !== undefined && "zones" in network ? network.zones.map(({ zone }) => zone) : [];
  const wanted = own ?? ofNetwork;
  const types = instanceTypes.join(", ");
  if (offered.length === 0)
    return [
      report(
        `nodes.${name}.instanceType`,
        `no zone of ${region} has ${types}`,
        "take another region, or a type that it has: `aws ec2 describe-instance-type-offerings`",
      ),
    ];
  const without = wanted.filter((zone) => !offered.includes(zone));
  const within = wanted.filter((zone) => offered.includes(zone));
  return without.length === 0
    ? []
    : [
        report(
          `eks.nodeGroups.${name}.zones`,
          `${types} is not offered in ${without.join(", ")}`,
          within.length === 0
            ? `use zones that have it, in eks.network.zones too: ${offered.join(", ")}`
            : `write \`zones: [${within.join(", ")}]\``,
        ),
      ];
}

/** Nodes of the group that run already have their place in the reservation: what is free says nothing. */
function reservationProblems(
  { name, reservation, instanceTypes, zones = [], maxSize }: NodeGroupPlan,
  { reservations }: AwsAnswers,
  report: Report,
): Problem[] {
  if (reservation === undefined || !reservations.has(reservation)) return [];
  const at = (path: string, message: string, hint: string): Problem =>
    report(`eks.nodeGroups.${name}.capacity.${path}`, message, hint);
  const found = reservations.get(reservation);
  if (found === undefined)
    return [
      at(
        "id",
        `there is no capacity reservation ${reservation} in this account and region`,
        "look it up: `aws ec2 describe-capacity-reservations`",
      ),
    ];
  const [zone = ""] = zones;
  const [type = ""] = instanceTypes;
  return [
    ...(["active", "scheduled"].includes(found.state)
      ? []
      : [at("id", `${reservation} is ${found.state}`, "make or buy another one")]),
    ...(found.zone === zone
      ? []
      : [at("zone", `${reservation} is in ${found.zone}`, `write \`zone: ${found.zone}\``)]),
    ...(found.instanceType === type
      ? []
      : [
          report(
            `nodes.${name}.instanceType`,
            `${type}, and ${reservation} is of ${found.instanceType}`,
            `write ${found.instanceType}, or name another reservation`,
          ),
        ]),
    ...(found.total < maxSize
      ? [
          report(
            `nodes.${name}.maxCount`,
            `up to ${String(maxSize)} nodes, and ${reservation} is for ${String(found.total)}`,
            `write at most ${String(found.total)}, or enlarge the reservation`,
          ),
        ]
      : []),
  ];
}

interface Quota {
  readonly code: string;
  readonly name: string;
}

/**
 * Quotas of vCPUs that run at once, by family and market. Source: EC2 user guide, "EC2 instance type quotas"; the codes are
 * those of Service Quotas.
 */
const quotas = {
  P: {
    ON_DEMAND: { code: "L-417A185B", name: "Running On-Demand P instances" },
    SPOT: { code: "L-7212CCBC", name: "All P4, P3 and P2 Spot Instance Requests" },
  },
  G: {
    ON_DEMAND: { code: "L-DB2E81BA", name: "Running On-Demand G and VT instances" },
    SPOT: { code: "L-3819A6DF", name: "All G and VT Spot Instance Requests" },
  },
  standard: {
    ON_DEMAND: {
      code: "L-1216C47A",
      name: "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances",
    },
    SPOT: {
      code: "L-34B43A08",
      name: "All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests",
    },
  },
} as const;

const p5Spot = { code: "L-C4BD4855", name: "All P5 Spot Instance Requests" } as const;

/** Undefined for reserved capacity, which was counted when it was reserved. */
function quotaOf({
  instanceTypes: [type = ""],
  capacityType,
  reservation,
}: NodeGroupPlan): Quota | undefined {
  if (reservation !== undefined || capacityType === "CAPACITY_BLOCK") return undefined;
  if (capacityType === "SPOT" && type.startsWith("p5")) return p5Spot;
  const family = type.startsWith("p") ? "P" : /^(g|vt)\d/.test(type) ? "G" : "standard";
  return quotas[family][capacityType];
}

/** All groups at their largest, together. */
function quotaProblems(
  groups: readonly NodeGroupPlan[],
  { region }: EksPlan,
  answers: AwsAnswers,
  report: Report,
): Problem[] {
  const needs = new Map<string, { readonly quota: Quota; readonly groups: readonly NodeGroupPlan[] }>();
  for (const group of groups) {
    const quota = quotaOf(group);
    if (quota === undefined) continue;
    needs.set(quota.code, { quota, groups: [...(needs.get(quota.code)?.groups ?? []), group] });
  }
  return [...needs.values()].flatMap(({ quota, groups: counted }) => {
    const need = counted.reduce((sum, group) => sum + mostVcpus(group), 0);
    const have = answers.quotas.get(quota.code);
    if (have === undefined || have >= need) return [];
    const each = counted.map((group) => `${String(group.maxSize)} × ${group.instanceTypes.join(" or ")}`);
    return [
      report(
        counted.length === 1 ? `nodes.${counted[0]?.name ?? ""}` : "nodes",
        `${each.join(" and ")} need ${String(need)} vCPUs, and the quota "${quota.name}" of this account is ${String(have)}`,
        `ask for more: \`aws service-quotas request-service-quota-increase --region ${region} --service-code ec2 --quota-code ${quota.code} --desired-value ${String(need)}\`, or lower maxCount`,
      ),
    ];
  });
}

function mostVcpus({ instanceTypes, maxSize }: NodeGroupPlan): number {
  return maxSize * Math.max(...instanceTypes.map((type) => findType(type)?.vcpus ?? 0));
}

function hostedZoneProblems({ workload }: EksPlan, { hostedZone }: AwsAnswers, report: Report): Problem[] {
  const name = workload?.dns?.name;
  if (name === undefined || hostedZone === undefined) return [];
  return name === hostedZone || name.endsWith(`.${hostedZone}`)
    ? []
    : [
        report(
          "eks.loadBalancer.dns.name",
          `\`${name}\` is not in the hosted zone, which is ${hostedZone}`,
          `write a name like models.${hostedZone}, or the id of another zone`,
        ),
      ];
}

function unique(values: readonly string[]): string[] {
  return [...new Set(values)].sort();
}
