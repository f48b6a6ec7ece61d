import path from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { refusal, type Target } from "../target.ts";
import { LocalPlatform } from "./LocalPlatform.ts";
import { prepareLocal } from "./prepare.ts";
import { readLocalTools } from "./tools.ts";

/** Supervised processes of this machine. */
export const target: Target = {
  prepare(models, { config, project, file }) {
    const apiKey = new pulumi.Config("holysheep").getSecret("apiKey");
    const tools = readLocalTools(project);
    if (tools === undefined) throw refusal("This machine is not set up: run `npm start` once, which does it");
    const { value, problems } = prepareLocal(models, file, {
      config,
      tools,
      project,
      hasApiKey: apiKey !== undefined,
    });
    if (problems.length > 0) return { problems };
    const { plan, notes, picture, advice } = value;
    const build = (): Record<string, unknown> => {
      new LocalPlatform("local", {
        plan,
        supervisorBin: path.dirname(tools.python),
        ...(apiKey === undefined ? {} : { apiKey }),
      });
      return { ...plan.description };
    };
    return { value: { notes, picture, advice, build } };
  },
};
