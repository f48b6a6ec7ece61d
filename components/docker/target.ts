import { Provider } from "@pulumi/docker/provider.js";
import * as pulumi from "@pulumi/pulumi";
import { sha256 } from "../../core/spec/artifacts.ts";
import { formatProblems } from "../../core/spec/problem.ts";
import { ServerImage, writeBuildContext } from "../kubernetes/ServerImage.ts";
import { refusal, type Target } from "../target.ts";
import { DockerPlatform } from "./DockerPlatform.ts";
import { hostProblems } from "./preflight.ts";
import { prepareDocker } from "./prepare.ts";

/** One machine with Docker, this one or another, with or without GPUs. */
export const target: Target = {
  prepare(models, { config, project, file, stack }) {
    const apiKey = new pulumi.Config("holysheep").getSecret("apiKey");
    const prepared = prepareDocker(models, file, { config, project, hasApiKey: apiKey !== undefined });
    if ("problems" in prepared) return prepared;
    const { plan, docker, notes, picture, advice } = prepared.value;
    const build = async (): Promise<Record<string, unknown>> => {
      const problems = await hostProblems({ plan, docker, stack, file });
      if (problems.length > 0) throw refusal(formatProblems(problems));
      // Another host is another provider: what is on the one before is then removed there, and not looked for here.
      const provider = new Provider(`docker-${sha256(docker.host).slice(0, 8)}`, { host: docker.host });
      const serverImages = new Map(
        plan.serverImages.map((image, i) => {
          const args = { plan: image, context: writeBuildContext(project, image), push: false };
          const built = new ServerImage(`triton-server-image-${String(i)}`, args, { providers: [provider] });
          return [image.reference, built];
        }),
      );
      new DockerPlatform(
        "triton",
        {
          ...{ plan, docker, stack, serverImages },
          ...(apiKey === undefined ? {} : { holysheepApiKey: apiKey }),
        },
        { providers: [provider] },
      );
      return { ...plan.description };
    };
    return { value: { notes, picture, advice, build } };
  },
};
