import * as pulumi from "@pulumi/pulumi";
import type { Target } from "../target.ts";
import { buildEks } from "./build.ts";
import { prepareEks } from "./prepare.ts";

/** EKS on AWS, from nothing: network, cluster, nodes and the platform on them, or some of these layers. */
export const target: Target = {
  prepare(models, { config, project, file, stack }) {
    const apiKey = new pulumi.Config("holysheep").getSecret("apiKey");
    const hasApiKey = apiKey !== undefined;
    const prepared = prepareEks(models, file, { config, project, stack, hasApiKey });
    if ("problems" in prepared) return prepared;
    const { plan, ...shown } = prepared.value;
    const options = { project, file, ...(apiKey === undefined ? {} : { holysheepApiKey: apiKey }) };
    return { value: { ...shown, build: () => buildEks(plan, options) } };
  },
};
