import path from "node:path";
import { planEks } from "../../core/aws/plan-eks.ts";
import type { EksPlan } from "../../core/aws/plan.ts";
import { sectionOf } from "../../core/aws/workload.ts";
import { capacityPicture } from "../../core/capacity/check.ts";
import { present } from "../../core/objects.ts";
import { locate, type Model } from "../../core/spec/load.ts";
import type { Parsed } from "../../core/spec/parse.ts";
import { eksOf, type PlatformConfig } from "../../core/spec/platform.ts";
import type { Prepared } from "../target.ts";
import { notesOn } from "../kubernetes/prepare.ts";
import { readText, unlockedProblems } from "../project.ts";

export interface PreparedEks extends Omit<Prepared, "build"> {
  readonly plan: EksPlan;
  /** Of the notes, those that are about a risk. */
  readonly cautions: readonly string[];
}

export interface EksOptions {
  readonly config: PlatformConfig;
  /** Absolute folder of the project. */
  readonly project: string;
  /** The stack's own name, as in `dev`. */
  readonly stack: string;
  /** Whether the stack's config has HolySheep's key. */
  readonly hasApiKey: boolean;
}

/** Checks a stack on AWS and plans it, without asking AWS. `file` names the stack's config. Nothing is created. */
export function prepareEks(
  models: readonly Model[],
  file: string,
  { config, project, stack, hasApiKey }: EksOptions,
): Parsed<PreparedEks> {
  const { serverImage, account, region } = eksOf(config);
  const requirements = serverImage && readText(path.join(project, serverImage.requirements));
  const facts = { file, stack, hasApiKey, ...present({ requirements }) };
  const { value: plan, problems: ofPlan } = planEks(models, config, facts);
  const problems = [...ofPlan, ...unlockedProblems(models)];
  if (problems.length > 0) return { problems: locate(problems, models) };
  const platform = plan.workload?.platform;
  const cautions = platform === undefined ? [] : notesOn(platform.servers, sectionOf(config));
  return {
    value: {
      plan,
      notes: [`${plan.layers.join(", ")} in the AWS account ${account}, ${region}`, ...cautions],
      cautions,
      picture: platform === undefined ? [] : capacityPicture(platform.capacity),
      advice: platform === undefined ? [] : locate(platform.advice, models),
    },
  };
}
