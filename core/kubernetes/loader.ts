import { readFileSync } from "node:fs";
import path from "node:path";
import type { IContainer, IEnvVar, IVolume, IVolumeMount } from "kubernetes-models/v1";
import type { Resources } from "../capacity/resources.ts";
import { present } from "../objects.ts";
import { treePrefix } from "../repository/layout.ts";
import type { ObjectStore, RepositorySource } from "../spec/kubernetes.ts";
import type { Bytes } from "../spec/units.ts";
import { byteQuantity, cpuQuantity, restrictedContainer } from "./pod.ts";

/** How a server's pods come to their model repository. */
export interface RepositoryDelivery {
  readonly initContainers: readonly IContainer[];
  readonly volumes: readonly IVolume[];
  /** Of Triton's container. */
  readonly serverMounts: readonly IVolumeMount[];
  readonly serverEnvironment: readonly IEnvVar[];
  /** For Triton's `--model-repository`. */
  readonly repository: string;
}

const modelsFolder = "/models";
const sourceFolder = "/source";
const credentialsFolder = "/var/run/secrets/object-store";

/** In POSIX sh: the image has no more than rclone and busybox. */
const script = readFileSync(path.join(import.meta.dirname, "loader.sh"), "utf8");

/**
 * Volumes, mounts and init container for the repository of this hash. `bytes` is its size, by which the volume is
 * limited; where it is not known, as after a roll-back, the volume has no limit. `requests` are those of the pod.
 */
export function repositoryDelivery(
  source: RepositorySource,
  hash: string,
  loaderImage: string,
  requests: Resources,
  bytes?: Bytes,
): RepositoryDelivery {
  const { volumes, mounts, environment, from } = sourceOf(source);
  const models = modelsVolume(bytes);
  const mount = { name: models.name, mountPath: modelsFolder };
  if (source.source === "s3" && source.delivery === "triton") {
    return {
      initContainers: [],
      volumes: [models, ...volumes],
      serverMounts: [mount, ...mounts],
      // Triton downloads whole models, to /tmp where nothing else is said (core, filesystem/implementations/common.h).
      serverEnvironment: [
        ...environment,
        { name: "AWS_DEFAULT_REGION", value: source.region },
        { name: "TRITON_AWS_MOUNT_DIRECTORY", value: modelsFolder },
      ],
      repository: `${tritonUrl(source)}/${treePrefix(hash).slice(0, -1)}`,
    };
  }
  const loader = loaderContainer(
    loaderImage,
    requests,
    [
      ...environment,
      ...(source.source === "s3" ? rcloneEnvironment(source) : []),
      { name: "SOURCE", value: from },
      { name: "HASH", value: hash },
      { name: "MODELS", value: modelsFolder },
    ],
    [mount, ...mounts],
  );
  return {
    initContainers: [loader],
    volumes: [models, ...volumes],
    serverMounts: [{ ...mount, readOnly: true }],
    serverEnvironment: [],
    repository: `${modelsFolder}/repository/${hash}`,
  };
}

interface Source {
  readonly volumes: readonly IVolume[];
  readonly mounts: readonly IVolumeMount[];
  readonly environment: readonly IEnvVar[];
  /** As rclone calls it. */
  readonly from: string;
}

function sourceOf(source: RepositorySource): Source {
  if (source.source === "s3") {
    return { ...credentialsOf(source), from: `${remote}:${source.bucket}/${source.prefix}` };
  }
  const name = "model-source";
  const volume =
    source.source === "image"
      ? { image: { reference: source.reference, pullPolicy: "IfNotPresent" as const } }
      : { persistentVolumeClaim: { claimName: source.claimName, readOnly: true } };
  return {
    volumes: [{ name, ...volume }],
    mounts: [{ name, mountPath: sourceFolder, readOnly: true }],
    environment: [],
    from: source.path === undefined ? sourceFolder : `${sourceFolder}/${source.path}`,
  };
}

/** Keys are a file that both rclone and Triton read by this variable; pods with a role of their own have none. */
function credentialsOf({ credentialsSecret }: ObjectStore): Omit<Source, "from"> {
  if (credentialsSecret === undefined) return { volumes: [], mounts: [], environment: [] };
  const name = "object-store-credentials";
  return {
    volumes: [
      {
        name,
        secret: {
          secretName: credentialsSecret,
          items: [{ key: "credentials", path: "credentials" }],
          defaultMode: 0o440,
        },
      },
    ],
    mounts: [{ name, mountPath: credentialsFolder, readOnly: true }],
    environment: [{ name: "AWS_SHARED_CREDENTIALS_FILE", value: `${credentialsFolder}/credentials` }],
  };
}

/** Name of rclone's remote, and so of its variables. */
const remote = "s3";

function rcloneEnvironment({ region, endpoint }: ObjectStore): IEnvVar[] {
  const settings = {
    TYPE: "s3",
    PROVIDER: endpoint === undefined ? "AWS" : "Other",
    ENV_AUTH: "true",
    REGION: region,
    ...present({ ENDPOINT: endpoint }),
  };
  return Object.entries(settings).map(([key, value]) => ({
    name: `RCLONE_CONFIG_${remote.toUpperCase()}_${key}`,
    value,
  }));
}

/** `s3://bucket/prefix`, or `s3://https://host:port/bucket/prefix` (server docs, model_repository.md, "S3"). */
function tritonUrl({ bucket, prefix, endpoint }: ObjectStore): string {
  if (endpoint === undefined) return `s3://${bucket}/${prefix}`;
  const { protocol, hostname, port } = new URL(endpoint);
  // Triton wants the port, and a URL does not say the usual one.
  const usual = protocol === "https:" ? "443" : "80";
  return `s3://${protocol}//${hostname}:${port === "" ? usual : port}/${bucket}/${prefix}`;
}

/** Files take whole blocks of the disk. */
function modelsVolume(bytes: Bytes | undefined): IVolume {
  const mebibyte = 1024 ** 2;
  if (bytes === undefined) return { name: "models", emptyDir: {} };
  const room = Math.ceil((bytes * 1.05) / mebibyte) + 256;
  return { name: "models", emptyDir: { sizeLimit: byteQuantity(room * mebibyte) } };
}

/** It ends before Triton begins, so its requests do not add to Triton's as long as they are not more. */
function loaderContainer(
  image: string,
  { cpu = 0, memory = 0 }: Resources,
  env: readonly IEnvVar[],
  volumeMounts: readonly IVolumeMount[],
): IContainer {
  return {
    name: "loader",
    image,
    command: ["sh", "-c", script],
    env: [...env],
    volumeMounts: [...volumeMounts],
    resources: {
      requests: {
        cpu: cpuQuantity(Math.min(500, cpu)),
        memory: byteQuantity(Math.min(512 * 1024 ** 2, memory)),
      },
      // 16 transfers with buffers of 8 MiB, and the page cache, which may go at any time.
      limits: { memory: "1Gi" },
    },
    securityContext: restrictedContainer,
    terminationMessagePolicy: "FallbackToLogsOnError",
  };
}
