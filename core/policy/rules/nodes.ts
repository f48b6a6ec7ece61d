import { everywhere, onlyInProd, strictInProd, violation } from "../rule.ts";
import type { Patch, PolicyRule } from "../rule.ts";
import { textsLimit } from "../limit.ts";
import type { Value } from "../value.ts";
import { ec2Types } from "../../capacity/nodes.ts";
import { isEverybody } from "./eks.ts";

/** Machines in AWS and what guards them. */

const launchTemplate = "aws:ec2/launchTemplate:LaunchTemplate";
const nodeGroup = "aws:eks/nodeGroup:NodeGroup";

const allowedInstanceTypes = textsLimit(
  "allowedInstanceTypes",
  "EC2 types that node groups may have; all where the list is empty",
  [],
);

export const nodeRules: readonly PolicyRule[] = [
  {
    id: "nodes-imdsv2",
    title:
      "Machines answer metadata calls with a token alone, and not beyond themselves (IMDSv2, hop limit 1)",
    why: "Else any pod reads the node's own credentials",
    severity: "high",
    levels: everywhere,
    references: [
      "Checkov CKV_AWS_79",
      "Checkov CKV_AWS_341",
      "Security Hub EC2.170",
      "Security Hub AutoScaling.4",
    ],
    types: [launchTemplate],
    scope: "resource",
    limits: [],
    *check({ props }) {
      const tokens = props.at("metadataOptions", "httpTokens");
      if (tokens.text !== "required")
        yield violation(tokens, `tokens are ${tokens.text ?? "optional"}`, "set it to required");
      const hops = props.at("metadataOptions", "httpPutResponseHopLimit");
      if (hops.number !== 1)
        yield violation(
          hops,
          `the hop limit is ${hops.number?.toString() ?? "AWS' default"}`,
          "set it to 1: pods are one hop further",
        );
    },
  },
  {
    id: "nodes-launch-template",
    title: "Every node group has a launch template of this stack's",
    why: "EKS' own leaves the metadata service open to pods (hop limit 2) and volumes to the account's default",
    severity: "medium",
    levels: strictInProd,
    references: ["EKS best practices, Identity and Access Management, IMDSv2"],
    types: [nodeGroup],
    scope: "resource",
    limits: [],
    *check({ props }) {
      const template = props.at("launchTemplate");
      if (!template.isPresent)
        yield violation(template, "not set", "name a launch template with IMDSv2 and encrypted volumes");
    },
  },
  {
    id: "nodes-encrypted-volumes",
    title: "Volumes of machines are encrypted",
    why: "Models, images and what pods write lie on them",
    severity: "high",
    levels: everywhere,
    references: ["Checkov CKV_AWS_3", "Checkov CKV_AWS_8", "Security Hub EC2.3"],
    types: [launchTemplate, "aws:ebs/volume:Volume"],
    scope: "resource",
    limits: [],
    *check({ type, props }) {
      for (const value of encryptionSwitches(type, props)) {
        if (value.boolean !== true) yield violation(value, "the volume is not encrypted", "set it to true");
      }
    },
    remedy: ({ type, props }) =>
      encryptionSwitches(type, props)
        .filter((value) => value.boolean !== true)
        // A launch template has texts there.
        .map(({ path }): Patch => ({ path, value: type === launchTemplate ? "true" : true })),
  },
  {
    id: "nodes-no-ssh",
    title: "Nobody logs in to nodes by SSH",
    why: "A key is shared, copied and never taken back; SSM's sessions are logged",
    severity: "medium",
    levels: strictInProd,
    references: ["Checkov CKV_AWS_100"],
    types: [launchTemplate, nodeGroup],
    scope: "resource",
    limits: [],
    *check({ type, props }) {
      const key = type === launchTemplate ? props.at("keyName") : props.at("remoteAccess", "ec2SshKey");
      if (key.isPresent)
        yield violation(
          key,
          "an SSH key is put on every node",
          "remove it; `aws ssm start-session` leads to a node",
        );
    },
  },
  {
    id: "nodes-no-spot-in-prod",
    title: "Nodes of prod are not taken away with two minutes' notice",
    why: "A GPU server needs minutes to come back, and its card may be gone for hours",
    severity: "high",
    levels: onlyInProd,
    references: [],
    types: [nodeGroup],
    scope: "resource",
    limits: [],
    *check({ props }) {
      const value = props.at("capacityType");
      if (value.text === "SPOT") yield violation(value, "SPOT", "use ON_DEMAND or a reservation in prod");
    },
  },
  {
    id: "nodes-known-types",
    title: "Node groups have instance types that are known here, and that the config allows",
    why: "What a type costs and which card it has is not known otherwise",
    severity: "medium",
    levels: strictInProd,
    references: [],
    types: [nodeGroup],
    scope: "resource",
    limits: [allowedInstanceTypes],
    *check({ props }, { limit }) {
      const allowed = limit(allowedInstanceTypes);
      for (const type of props.at("instanceTypes").items) {
        const name = type.text ?? "";
        if (!ec2Types.some((known) => known.name === name))
          yield violation(
            type,
            `${name} is not in the catalogue`,
            "use a type of docs/model-spec.md's GPUs, or add it to core/capacity/nodes.ts",
          );
        else if (allowed.length > 0 && !allowed.includes(name))
          yield violation(
            type,
            `${name} is not among the allowed types`,
            `use one of: ${allowed.join(", ")}`,
          );
      }
    },
  },
  {
    id: "security-group-closed",
    title: "No security group lets the whole internet in, but to the balancer's own ports",
    why: "SSH, the kubelet and Triton's own ports are found by scanners within minutes",
    severity: "critical",
    levels: everywhere,
    references: ["Checkov CKV_AWS_24", "Checkov CKV_AWS_260", "Security Hub EC2.13", "Security Hub EC2.18"],
    types: [
      "aws:ec2/securityGroup:SecurityGroup",
      "aws:ec2/securityGroupRule:SecurityGroupRule",
      "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
    ],
    scope: "resource",
    limits: [],
    *check({ type, props }) {
      for (const rule of ingressOf(type, props)) {
        const open = [
          rule.at("cidrIpv4"),
          rule.at("cidrIpv6"),
          ...rule.at("cidrBlocks").items,
          ...rule.at("ipv6CidrBlocks").items,
        ];
        const from = rule.at("fromPort");
        const ports =
          from.number === undefined
            ? "every port"
            : `port ${String(from.number)} to ${String(rule.at("toPort").number ?? from.number)}`;
        const isTls = from.number === 443 && rule.at("toPort").number === 443;
        for (const cidr of open) {
          if (!isTls && isEverybody(cidr.text))
            yield violation(cidr, `${cidr.text ?? ""} may reach ${ports}`, "name the networks that call");
        }
      }
    },
  },
];

function encryptionSwitches(type: string, props: Value): readonly Value[] {
  if (type !== launchTemplate) return [props.at("encrypted")];
  return props
    .at("blockDeviceMappings")
    .items.map((mapping) => mapping.at("ebs"))
    .filter((ebs) => ebs.isPresent)
    .map((ebs) => ebs.at("encrypted"));
}

function ingressOf(type: string, props: Value): readonly Value[] {
  if (type === "aws:ec2/securityGroup:SecurityGroup") return props.at("ingress").items;
  if (type === "aws:ec2/securityGroupRule:SecurityGroupRule")
    return props.at("type").text === "ingress" ? [props] : [];
  return [props];
}
