import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { Provider } from "@pulumi/kubernetes/provider.js";
import * as pulumi from "@pulumi/pulumi";
import type { ServerImagePlan } from "../../core/kubernetes/images.ts";
import { kubernetesOf } from "../../core/spec/platform.ts";
import type { Target } from "../target.ts";
import { KubernetesPlatform } from "./KubernetesPlatform.ts";
import { prepareKubernetes } from "./prepare.ts";
import { ServerImage } from "./ServerImage.ts";

/** Any cluster that a kubeconfig leads to. */
export const target: Target = {
  prepare(models, { config, project, file }) {
    const apiKey = new pulumi.Config("holysheep").getSecret("apiKey");
    const { value, problems } = prepareKubernetes(models, file, {
      config,
      project,
      hasApiKey: apiKey !== undefined,
    });
    const { plan, notes, picture, advice } = value;
    const kubernetes = kubernetesOf(config);
    const build = (): Record<string, unknown> => {
      const provider = new Provider("kubernetes", {
        ...(kubernetes.kubeconfig === undefined ? {} : { kubeconfig: kubernetes.kubeconfig }),
        ...(kubernetes.context === undefined ? {} : { context: kubernetes.context }),
        // Else another kubeconfig for the same cluster would replace everything.
        clusterIdentifier: pulumi.getStack(),
        enableServerSideApply: true,
      });
      const serverImages = new Map(
        plan.serverImages.map((image, i) => {
          const context = writeContext(project, image);
          const { digest } = new ServerImage(`triton-server-image-${String(i)}`, { plan: image, context });
          return [image.reference, digest];
        }),
      );
      const { address } = new KubernetesPlatform(
        "triton",
        {
          plan,
          serverImages,
          ...(kubernetes.repository.source === "s3" ? { store: kubernetes.repository } : {}),
          ...(apiKey === undefined ? {} : { holysheepApiKey: apiKey }),
        },
        { providers: [provider] },
      );
      return { ...plan.description, address };
    };
    return { value: { notes, picture, advice, build }, problems };
  },
};

/** The folder an image is built from: named by its content, with the planned files and nothing else. */
function writeContext(project: string, { build }: ServerImagePlan): string {
  const folder = path.join(project, ".local", "server-images", build.tag);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const { path: name, content } of build.files) writeFileSync(path.join(folder, name), content);
  return folder;
}
