import { Provider } from "@pulumi/kubernetes/provider.js";
import * as pulumi from "@pulumi/pulumi";
import { kubernetesOf } from "../../core/spec/platform.ts";
import type { Target } from "../target.ts";
import { KubernetesPlatform } from "./KubernetesPlatform.ts";
import { prepareKubernetes } from "./prepare.ts";
import { ServerImage, writeBuildContext } from "./ServerImage.ts";

/** Any cluster that a kubeconfig leads to. */
export const target: Target = {
  prepare(models, { config, project, file }) {
    const apiKey = new pulumi.Config("holysheep").getSecret("apiKey");
    const prepared = prepareKubernetes(models, file, {
      config,
      project,
      hasApiKey: apiKey !== undefined,
    });
    if ("problems" in prepared) return prepared;
    const { plan, notes, picture, advice } = prepared.value;
    const kubernetes = kubernetesOf(config);
    const build = (): Record<string, unknown> => {
      const provider = new Provider("kubernetes", {
        ...(kubernetes.kubeconfig === undefined ? {} : { kubeconfig: kubernetes.kubeconfig }),
        ...(kubernetes.context === undefined ? {} : { context: kubernetes.context }),
        // Another file that leads to the same cluster is no other cluster; another context is.
        clusterIdentifier: kubernetes.context ?? pulumi.getStack(),
        enableServerSideApply: true,
      });
      const serverImages = new Map(
        plan.serverImages.map((image, i) => {
          const context = writeBuildContext(project, image);
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
      // An output without a value would be a warning at every update.
      const isPublished = kubernetes.balancer.service.type === "LoadBalancer";
      return { ...plan.description, ...(isPublished ? { address } : {}) };
    };
    return { value: { notes, picture, advice, build } };
  },
};
