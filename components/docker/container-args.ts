import type { ContainerArgs } from "@pulumi/docker/container.js";
import type * as types from "@pulumi/docker/types/index.js";
import type { Input } from "@pulumi/pulumi";
import type { ContainerPlan, NetworkName, VolumeName } from "../../core/docker/container.ts";
import { labels } from "../../core/docker/names.ts";
import { present } from "../../core/objects.ts";
import type { DockerConfig } from "../../core/spec/docker.ts";

/** Docker's names of what a plan's names stand for. */
export interface Places {
  readonly stack: string;
  readonly image: Input<string>;
  readonly networks: ReadonlyMap<NetworkName, Input<string>>;
  readonly volumes: ReadonlyMap<VolumeName, Input<string>>;
  readonly logs: DockerConfig["logs"];
}

/** A container of the plan as @pulumi/docker takes it. */
export function containerArgs(
  plan: ContainerPlan,
  { stack, image, networks, volumes, logs }: Places,
): ContainerArgs {
  const { user, health, stop, memory, sharedMemory, cpus } = plan;
  return {
    image,
    entrypoints: [...plan.entrypoint],
    command: [...plan.command],
    envs: Object.entries(plan.environment).map(([key, value]) => `${key}=${value}`),
    networksAdvanced: plan.networks.map(({ network, aliases }) => ({
      name: known(networks, network),
      aliases: [...aliases],
    })),
    ports: plan.ports.map(({ address, external, internal }) => ({ ip: address, external, internal })),
    mounts: plan.mounts.map(({ volume, target, readOnly }) => ({
      type: "volume",
      source: known(volumes, volume),
      target,
      readOnly,
    })),
    tmpfs: { ...plan.tmpfs },
    labels: Object.entries({ ...plan.labels, [labels.stack]: stack, [labels.service]: plan.service }).map(
      ([label, value]) => ({ label, value }),
    ),
    capabilities: { adds: [...plan.capabilities], drops: ["ALL"] },
    readOnly: true,
    securityOpts: ["no-new-privileges:true"],
    ulimits: Object.entries(plan.ulimits).map(([name, limit]) => ({ name, soft: limit, hard: limit })),
    memory: mebibytes(memory),
    // As much with swap as without: none.
    memorySwap: mebibytes(memory),
    logDriver: "json-file",
    logOpts: { "max-size": `${String(mebibytes(logs.maxSize))}m`, "max-file": String(logs.maxFiles) },
    restart: "unless-stopped",
    stopSignal: stop.signal,
    stopTimeout: stop.grace,
    destroyGraceSeconds: stop.grace,
    ...present({
      deviceRequests: plan.gpus && [deviceRequest(plan.gpus)],
      user: user === undefined ? undefined : `${String(user)}:${String(user)}`,
      shmSize: sharedMemory === undefined ? undefined : mebibytes(sharedMemory),
    }),
    // As a quota of a period: `cpus` comes back from Docker with one decimal, and would be another at each look.
    ...(cpus === undefined ? {} : { cpuPeriod, cpuQuota: Math.round(cpus * cpuPeriod) }),
    ...(health === undefined
      ? {}
      : {
          healthcheck: {
            tests: [...health.test],
            interval: goDuration(health.interval),
            timeout: goDuration(health.timeout),
            retries: health.retries,
            startPeriod: goDuration(health.startPeriod),
          },
          // Who has a place behind the balancer is waited for there, with its own words where it fails.
          ...(plan.member === undefined
            ? {
                wait: true,
                waitTimeout: health.startPeriod + health.retries * (health.interval + health.timeout),
              }
            : {}),
        }),
  };
}

/**
 * What `docker run --gpus` asks for. Not the provider's `gpus`: it reads that as the command line does, where of `device=0,1`
 * without quotes the second is a count, and takes quotes away.
 * Source: docker/cli, opts/gpus.go; terraform-provider-docker 4.5, `normalizeGPUOptionString`.
 */
function deviceRequest(gpus: NonNullable<ContainerPlan["gpus"]>): types.input.ContainerDeviceRequest {
  return {
    driver: "nvidia",
    capabilities: ["gpu"],
    ...(gpus === "all" ? { count: -1 } : { deviceIds: gpus.map(String) }),
  };
}

/** Microseconds; the kernel's own default. */
const cpuPeriod = 100_000;

/** Seconds as Docker tells them: 61 → `1m1s`. Another way to write them would be another at each look. */
export function goDuration(seconds: number): string {
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60].map(String);
  return seconds >= 3600
    ? `${h ?? ""}h${m ?? ""}m${s ?? ""}s`
    : seconds >= 60
      ? `${m ?? ""}m${s ?? ""}s`
      : `${s ?? ""}s`;
}

/** Docker's provider counts in these. */
function mebibytes(bytes: number): number {
  return Math.ceil(bytes / 1024 ** 2);
}

function known<K extends string>(names: ReadonlyMap<K, Input<string>>, name: K): Input<string> {
  const found = names.get(name);
  if (found === undefined) throw new Error(`the plan's containers want ${name}, and there is none`);
  return found;
}
