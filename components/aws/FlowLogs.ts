import { LogGroup } from "@pulumi/aws/cloudwatch/logGroup.js";
import { FlowLog } from "@pulumi/aws/ec2/flowLog.js";
import * as pulumi from "@pulumi/pulumi";
import type { NetworkPlan } from "../../core/aws/plan.ts";
import { ServiceRole } from "./ServiceRole.ts";

export interface FlowLogsArgs {
  vpcId: pulumi.Input<string>;
  /** Where they go, for how many days, and the role that writes them; plain data, checked before. */
  plan: Pick<NetworkPlan, "flowLogGroup" | "flowLogRetentionDays" | "flowLogRole">;
}

/**
 * Who called whom in a VPC, accepted or refused, in CloudWatch Logs: a part of Network, or of a VPC that is there.
 *
 * @example
 * ```ts
 * import { FlowLogs, type NetworkPlan } from "triton-platform/components";
 *
 * const trust = {
 *   Effect: "Allow",
 *   Principal: { Service: "vpc-flow-logs.amazonaws.com" },
 *   Action: "sts:AssumeRole",
 * } as const;
 * const writing = {
 *   Effect: "Allow",
 *   Action: ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"],
 *   Resource: "arn:aws:logs:us-east-1:111122223333:log-group:/aws/vpc/models/flow-logs:*",
 * } as const;
 * const flowLogRole: NetworkPlan["flowLogRole"] = {
 *   roleName: "models-flow-logs",
 *   roleArn: "arn:aws:iam::111122223333:role/models-flow-logs",
 *   trust: { Version: "2012-10-17", Statement: [trust] },
 *   managedPolicyArns: [],
 *   policy: { Version: "2012-10-17", Statement: [writing] },
 * };
 *
 * new FlowLogs("flow-logs", {
 *   vpcId: "vpc-0123456789abcdef0",
 *   plan: { flowLogGroup: "/aws/vpc/models/flow-logs", flowLogRetentionDays: 90, flowLogRole },
 * });
 * ```
 */
export class FlowLogs extends pulumi.ComponentResource {
  constructor(name: string, args: FlowLogsArgs, opts?: pulumi.ComponentResourceOptions) {
    super("triton-platform:aws:FlowLogs", name, {}, opts);
    const { vpcId, plan } = args;
    const inside = { parent: this };
    const logs = new LogGroup(
      `${name}-group`,
      { name: plan.flowLogGroup, retentionInDays: plan.flowLogRetentionDays },
      inside,
    );
    const role = new ServiceRole(name, { plan: plan.flowLogRole }, inside);
    new FlowLog(
      `${name}-log`,
      {
        vpcId,
        trafficType: "ALL",
        logDestinationType: "cloud-watch-logs",
        logDestination: logs.arn,
        iamRoleArn: role.arn,
      },
      { ...inside, dependsOn: role },
    );
    this.registerOutputs();
  }
}
