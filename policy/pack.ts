import { PolicyPack } from "@pulumi/policy";
import { environmentOf } from "../core/policy/environment.ts";
import { policyRules } from "../core/policy/rules/index.ts";
import { policyOf } from "./policies.ts";
import { stackConfig } from "./stack-config.ts";

/** The pack: every rule of core/policy as a policy of the engine, as strict as the stack's environment asks for. */
const environment = environmentOf(stackConfig());
new PolicyPack("triton-platform", {
  description: `Rules of triton-platform for the environment ${environment}`,
  policies: policyRules.map((rule) => policyOf(rule, environment)),
});
