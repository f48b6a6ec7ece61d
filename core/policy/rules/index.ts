import type { PolicyRule } from "../rule.ts";
import { eksRules } from "./eks.ts";
import { iamRules } from "./iam.ts";
import { networkRules } from "./network.ts";
import { nodeRules } from "./nodes.ts";
import { podRules } from "./pods.ts";
import { s3Rules } from "./s3.ts";
import { secretRules } from "./secrets.ts";
import { stackRules } from "./stack.ts";
import { tritonRules } from "./triton.ts";

export interface PolicySection {
  readonly title: string;
  readonly rules: readonly PolicyRule[];
}

/** All rules by what they are about, in the order in which verdicts are shown. */
export const policySections: readonly PolicySection[] = [
  { title: "Buckets", rules: s3Rules },
  { title: "EKS", rules: eksRules },
  { title: "Nodes", rules: nodeRules },
  { title: "Rights in AWS", rules: iamRules },
  { title: "Secrets", rules: secretRules },
  { title: "Pods", rules: podRules },
  { title: "Triton", rules: tritonRules },
  { title: "Network", rules: networkRules },
  { title: "The stack", rules: stackRules },
];

export const policyRules: readonly PolicyRule[] = policySections.flatMap(({ rules }) => rules);
