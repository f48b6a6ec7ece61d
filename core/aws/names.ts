import type { EksConfig } from "../spec/eks.ts";
import type { Problem } from "../spec/problem.ts";
import { partitionOf } from "./regions.ts";

/**
 * Names of what AWS has of a platform. They are fixed, since the cluster's objects and policies hold them before anything
 * is there: whatever is everybody's of an account has the region in it, whatever is everybody's of AWS the account too.
 *
 * All begin with one name of at most 28 characters, so that the longest of them fits: a bucket (63 characters, S3 user
 * guide, "General purpose bucket naming rules") with `-models-`, an account of 12 digits and a region of 14 at most; a
 * role (64, IAM user guide, "IAM and AWS STS quotas") with a region and 20 characters more.
 */
export interface AwsNames {
  readonly account: string;
  readonly region: string;
  /** Of the cluster, and the beginning of the others. */
  readonly name: string;
  readonly modelBucket: string;
  /** Of the model bucket's access logs. */
  readonly logBucket: string;
  /** Of the image that is built, in ECR. */
  readonly imageRepository: string;
  readonly holysheepSecret: string;
  readonly apiKeysSecret: string;
  /** Of the network's flow logs, in CloudWatch Logs. */
  readonly flowLogGroup: string;
}

type Named = Pick<EksConfig, "account" | "region" | "name">;

export function awsNames({ account, region, name: given }: Named, stack: string): AwsNames {
  const name = given ?? defaultName(stack);
  return {
    account,
    region,
    name,
    modelBucket: `${name}-models-${account}-${region}`,
    logBucket: `${name}-logs-${account}-${region}`,
    imageRepository: `${name}/triton`,
    holysheepSecret: `${name}/holysheep`,
    apiKeysSecret: `${name}/api-keys`,
    flowLogGroup: `/aws/vpc/${name}/flow-logs`,
  };
}

/** A role's name. Roles are everybody's of an account, whatever the region. */
export function roleName({ name, region }: Pick<AwsNames, "name" | "region">, part: string): string {
  return `${name}-${region}-${part}`;
}

/** ARN of a resource; without a region or an account where the service has none in its ARNs. */
export function arn(
  { account, region }: Pick<AwsNames, "account" | "region">,
  service: "ecr" | "iam" | "logs" | "s3" | "secretsmanager",
  resource: string,
): string {
  const place = { ecr: region, iam: "", logs: region, s3: "", secretsmanager: region }[service];
  return `arn:${partitionOf(region).name}:${service}:${place}:${service === "s3" ? "" : account}:${resource}`;
}

/**
 * A stack's name may be longer, and have other characters, than names in AWS. It is not made to fit by itself: what a bill
 * and a console show should be what somebody has chosen.
 */
export function nameProblems(config: Named, stack: string, file: string): Problem[] {
  const { name } = awsNames(config, stack);
  const report = (message: string): Problem => ({
    file,
    path: "triton-platform:eks.name",
    message,
    hint: "write a name of lower-case letters, digits and -, at most 28, a letter first, like triton-prod",
  });
  if (config.name === undefined && !/^[a-z]([a-z0-9-]{0,26}[a-z0-9])?$/.test(name))
    return [
      report(
        `missing, and \`${name}\`, which comes of the stack's name, is too long for AWS or no name there`,
      ),
    ];
  if (reservedPrefixes.some((prefix) => name.startsWith(prefix)))
    return [report(`\`${name}\` begins as S3 lets no bucket begin: ${reservedPrefixes.join(", ")}`)];
  // Source: ECR API, CreateRepository, `repositoryName`.
  return name.includes("--")
    ? [report(`\`${name}\` has two hyphens in a row, which ECR lets no repository have`)]
    : [];
}

/** Source: S3 user guide, "General purpose bucket naming rules". */
const reservedPrefixes = ["xn--", "sthree-", "amzn-s3-demo-"] as const;

function defaultName(stack: string): string {
  return `triton-${stack}`;
}
