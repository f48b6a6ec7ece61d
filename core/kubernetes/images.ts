import type { ServerPlan } from "../platform.ts";
import type { KubernetesConfig } from "../spec/kubernetes.ts";
import type { PlatformConfig } from "../spec/platform.ts";
import type { Checked } from "../spec/problem.ts";
import { imageOf, type Image } from "../triton/backends.ts";
import { backendOf } from "../triton/repository.ts";
import { serverImageBuild, type ServerImageBuild } from "./server-image.ts";

/** What decides on images besides a group's models. */
export interface ImageFacts extends Pick<PlatformConfig, "tritonRelease" | "customBackends"> {
  /** Images that are built on others, by what they are built on. */
  readonly builtImages?: ReadonlyMap<string, string>;
}

/** As far as Triton's image is concerned. */
interface ImageConfig {
  readonly images: Pick<KubernetesConfig["images"], "triton">;
}

/**
 * The image a group's Tritons run: the config's, else NVIDIA's of the platform's release, in the variant that has the
 * group's backends (such as `nvcr.io/nvidia/tritonserver:26.07-vllm-python-py3`); or what is built on it.
 */
export function tritonImage(
  server: Pick<ServerPlan, "models">,
  facts: ImageFacts,
  kubernetes: ImageConfig,
): string {
  const base = baseImage(server, facts, kubernetes);
  return facts.builtImages?.get(base) ?? base;
}

function baseImage(
  server: Pick<ServerPlan, "models">,
  { tritonRelease, customBackends }: ImageFacts,
  { images }: ImageConfig,
): string {
  return images.triton ?? `nvcr.io/nvidia/tritonserver:${tritonRelease}-${variantOf(server, customBackends)}`;
}

/** An image that is built on top of one of NVIDIA's, for the groups that would run that. */
export interface ServerImagePlan {
  readonly base: string;
  /** What it is pushed as: the tag is the hash of everything it is made of. */
  readonly reference: string;
  readonly build: ServerImageBuild;
}

/**
 * One image for every image the groups would run, with the models' Python packages in it; none where the config asks for
 * none. `requirements` is the file's text, undefined where it cannot be read.
 */
export function planServerImages(
  servers: readonly Pick<ServerPlan, "models">[],
  config: ImageFacts,
  kubernetes: ImageConfig & Pick<KubernetesConfig, "serverImage">,
  requirements: string | undefined,
): Checked<readonly ServerImagePlan[]> {
  const { serverImage } = kubernetes;
  if (serverImage === undefined) return { value: [], problems: [] };
  const bases = [...new Set(servers.map((server) => baseImage(server, config, kubernetes)))];
  const file = serverImage.requirements;
  const builds = bases.map((base) => ({ base, parsed: serverImageBuild({ base, file, requirements }) }));
  return {
    value: builds.flatMap(({ base, parsed }) =>
      "problems" in parsed
        ? []
        : [{ base, reference: `${serverImage.repository}:${parsed.value.tag}`, build: parsed.value }],
    ),
    // Those of the file are the same for every base.
    problems: builds.slice(0, 1).flatMap(({ parsed }) => ("problems" in parsed ? parsed.problems : [])),
  };
}

/** The platform's check lets no group through whose backends are in two images. */
function variantOf({ models }: Pick<ServerPlan, "models">, customBackends: readonly string[]): Image {
  const variants = models.flatMap((model): Image[] => {
    const { backend } = backendOf(model);
    // Every image has the Python backend: it decides nothing.
    if (backend === undefined || backend === "python" || customBackends.includes(backend)) return [];
    const image = imageOf(backend);
    return image === undefined ? [] : [image];
  });
  return variants[0] ?? "py3";
}
