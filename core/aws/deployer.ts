import type { Problem } from "../spec/problem.ts";
import type { EksPlan } from "./plan.ts";

/**
 * Whoever deploys puts controllers and models into the cluster, and a cluster lets in only those whom its access entries
 * name, not even the one who made it. `callerArn` is as STS gives it (GetCallerIdentity). `file` names the stack's config.
 */
export function deployerProblems({ cluster }: EksPlan, callerArn: string, file: string): Problem[] {
  if (cluster === undefined) return [];
  const caller = principalOf(callerArn);
  const isLetIn = cluster.access.some(
    ({ principalArn, policyArn, namespaces }) =>
      principalOf(principalArn) === caller &&
      policyArn.endsWith("/AmazonEKSClusterAdminPolicy") &&
      namespaces.length === 0,
  );
  return isLetIn
    ? []
    : [
        {
          file,
          path: "triton-platform:eks.cluster.access",
          message: `you are ${callerArn}, to whom the cluster will give no rights`,
          hint: `add \`deployers: { principalArn: "${entryArn(callerArn)}", policy: clusterAdmin }\`, or deploy as one who is there`,
        },
      ];
}

/**
 * A session has its role's name without the role's path: `assumed-role/deployers/ci` is of `role/ci/deployers`. Source: IAM
 * user guide, "IAM ARNs"; names of roles are everybody's of an account, whatever their paths.
 */
function principalOf(arn: string): string {
  const session = /^arn:[\w-]+:sts::(\d+):assumed-role\/([^/]+)\//.exec(arn);
  if (session !== null) return `${session[1] ?? ""} role ${session[2] ?? ""}`;
  const role = /^arn:[\w-]+:iam::(\d+):role\/(?:.*\/)?([^/]+)$/.exec(arn);
  return role === null ? arn : `${role[1] ?? ""} role ${role[2] ?? ""}`;
}

/** What an access entry wants of whom STS names so. */
function entryArn(arn: string): string {
  return arn.replace(/^(arn:[\w-]+):sts::(\d+):assumed-role\/([^/]+)\/.*$/, "$1:iam::$2:role/$3");
}
