import { getCapacityBlockReservation } from "@pulumi/aws/ec2/getCapacityBlockReservation.js";
import { getInstanceTypeOfferings } from "@pulumi/aws/ec2/getInstanceTypeOfferings.js";
import { getAvailabilityZones } from "@pulumi/aws/getAvailabilityZones.js";
import { getCallerIdentity } from "@pulumi/aws/getCallerIdentity.js";
import type { Provider } from "@pulumi/aws/provider.js";
import { getZone } from "@pulumi/aws/route53/getZone.js";
import { getServiceQuota } from "@pulumi/aws/servicequotas/getServiceQuota.js";
import * as pulumi from "@pulumi/pulumi";
import { deployerProblems } from "../../core/aws/deployer.ts";
import {
  offerProblems,
  questionsOf,
  type AwsAnswers,
  type ReservationAnswer,
} from "../../core/aws/offers.ts";
import type { EksPlan } from "../../core/aws/plan.ts";
import { messageOf } from "../../core/errors.ts";
import { formatProblems } from "../../core/spec/problem.ts";
import { refusal } from "../target.ts";
import { cliProblems } from "./cli.ts";

/**
 * Asks AWS for what a plan needs, and throws all that it does not have: before anything is made, in a preview too. What the
 * caller has no right to ask is said, and taken to be there. `file` names the stack's config.
 */
export async function refuseUnavailable(plan: EksPlan, provider: Provider, file: string): Promise<void> {
  const opts = { provider };
  const { accountId: account, arn } = await callerOf(plan, provider, file);
  const { instanceTypes, quotas, reservations, hostedZone } = questionsOf(plan);
  const [zones, offers, quotaValues, blocks, [zone]] = await Promise.all([
    zonesOf(plan, opts),
    answersTo(instanceTypes, "in which zones there is", async (type) => {
      const { locations } = await getInstanceTypeOfferings(
        { locationType: "availability-zone", filters: [{ name: "instance-type", values: [type] }] },
        opts,
      );
      return locations;
    }),
    answersTo(quotas, "EC2's quota", async (quotaCode) => {
      const { value } = await getServiceQuota({ serviceCode: "ec2", quotaCode }, opts);
      return value;
    }),
    answersTo(
      reservations.filter((id) => isBlock(plan, id)),
      "the Capacity Block",
      (id) => reservationOf(id, opts),
    ),
    answersTo(hostedZone === undefined ? [] : [hostedZone], "the hosted zone", async (zoneId) => {
      const { name } = await getZone({ zoneId }, opts);
      return name.replace(/\.$/, "");
    }),
  ]);
  const answers: AwsAnswers = {
    account,
    zones,
    offers: new Map(offers),
    quotas: new Map(quotaValues),
    reservations: new Map(blocks),
    ...(zone === undefined ? {} : { hostedZone: zone[1] }),
  };
  const problems = [
    ...offerProblems(plan, answers, file),
    ...deployerProblems(plan, arn, file),
    ...cliProblems(plan),
  ];
  if (problems.length > 0) throw refusal(formatProblems(problems));
}

interface Options {
  readonly provider: Provider;
}

/** The provider's first call: what is wrong with credentials is told here. */
async function callerOf(
  plan: EksPlan,
  provider: Provider,
  file: string,
): Promise<{ readonly accountId: string; readonly arn: string }> {
  try {
    return await getCallerIdentity({}, { provider });
  } catch (error) {
    const text = messageOf(error);
    const [, account] = /account ID not allowed: (\d+)/i.exec(text) ?? [];
    const nothing = { zones: [], offers: new Map(), quotas: new Map(), reservations: new Map() };
    if (account !== undefined)
      throw refusal(formatProblems(offerProblems(plan, { account, ...nothing }, file)));
    throw refusal(
      `AWS does not say who you are: ${text}\n` +
        "  → log in (`aws sso login`), name a profile in AWS_PROFILE, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    );
  }
}

async function zonesOf({ network }: EksPlan, opts: Options): Promise<AwsAnswers["zones"]> {
  if (network === undefined || !("zones" in network)) return [];
  const { names, zoneIds } = await getAvailabilityZones(
    // Not local zones and wavelength zones, which an account may have switched on.
    { state: "available", filters: [{ name: "opt-in-status", values: ["opt-in-not-required"] }] },
    opts,
  );
  return names.map((name, i) => ({ name, id: zoneIds[i] ?? "" }));
}

function isBlock({ cluster }: EksPlan, id: string): boolean {
  return (cluster?.nodeGroups ?? []).some(
    ({ reservation, capacityType }) => reservation === id && capacityType === "CAPACITY_BLOCK",
  );
}

async function reservationOf(id: string, opts: Options): Promise<ReservationAnswer | undefined> {
  try {
    const found = await getCapacityBlockReservation({ id }, opts);
    const { availabilityZone: zone, instanceType, instanceCount: total, state } = found;
    return { zone, instanceType, total, state };
  } catch (error) {
    if (/not ?found|empty result/i.test(messageOf(error))) return undefined;
    throw error;
  }
}

/** The answers there are. To ask needs rights that whoever deploys may not have. */
async function answersTo<T>(
  questions: readonly string[],
  about: string,
  ask: (question: string) => Promise<T>,
): Promise<[question: string, answer: T][]> {
  const answers = await Promise.all(
    questions.map(async (question): Promise<[string, T][]> => {
      try {
        return [[question, await ask(question)]];
      } catch (error) {
        await pulumi.log.warn(
          `AWS does not say ${about} ${question}; it is not checked. ${messageOf(error)}`,
        );
        return [];
      }
    }),
  );
  return answers.flat();
}
