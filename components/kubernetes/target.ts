import { Provider } from "@pulumi/kubernetes/provider.js";
import * as pulumi from "@pulumi/pulumi";
import { kubernetesOf } from "../../core/spec/platform.ts";
import type { Target } from "../target.ts";
import { KubernetesPlatform } from "./KubernetesPlatform.ts";
import { publishedOutputs } from "./outputs.ts";
import { prepareKubernetes } from "./prepare.ts";
import { buildServerImages } from "./ServerImage.ts";

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
      const serverImages = buildServerImages(project, plan.serverImages);
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
      return kubernetes.balancer.service.type === "LoadBalancer"
        ? publishedOutputs(plan.description, address, kubernetes.balancer.tls !== undefined)
        : { ...plan.description };
    };
    return { value: { notes, picture, advice, build } };
  },
};
