import { Container } from "@pulumi/docker/container.js";
import { Network } from "@pulumi/docker/network.js";
import { RemoteImage } from "@pulumi/docker/remoteImage.js";
import { Volume } from "@pulumi/docker/volume.js";
import * as pulumi from "@pulumi/pulumi";
import type { ContainerPlan, NetworkName, VolumeName } from "../../core/docker/container.ts";
import { holysheepKeyFile, labels, places, users, type ServiceName } from "../../core/docker/names.ts";
import type { DockerPlan } from "../../core/docker/plan.ts";
import { present } from "../../core/objects.ts";
import type { ServerPlan } from "../../core/platform.ts";
import type { DockerConfig } from "../../core/spec/docker.ts";
import { inProject } from "../repository/project-files.ts";
import { containerArgs } from "./container-args.ts";
import { Files, Member, ModelRepository } from "./resources.ts";

export interface DockerPlatformArgs {
  /** What runs on the host; plain data, checked before. */
  plan: DockerPlan;
  docker: DockerConfig;
  /** The stack's own name. */
  stack: string;
  /** Images that this program builds, by the reference in the plan. */
  serverImages?: ReadonlyMap<string, pulumi.Resource>;
  /** HolySheep's key; needed where a server calls its API. */
  holysheepApiKey?: pulumi.Input<string>;
}

/** The whole platform on one Docker host: networks, volumes, images, files, repositories and containers. */
export class DockerPlatform extends pulumi.ComponentResource {
  constructor(name: string, args: DockerPlatformArgs, opts?: pulumi.ComponentResourceOptions) {
    super("triton-platform:docker:DockerPlatform", name, {}, opts);
    const { plan, docker, stack } = args;
    const { host } = docker;
    const own = { parent: this };
    const stackLabels = [{ label: labels.stack, value: stack }];

    const networks = new Map(
      (["inside", "outside"] as const).map((network): [NetworkName, Network] => [
        network,
        new Network(
          `${name}-${network}`,
          // Who is inside alone has no way out, and nobody a way in.
          { driver: "bridge", internal: network === "inside", labels: stackLabels },
          own,
        ),
      ]),
    );
    const volumes = new Map(
      plan.volumes.map((volume): [VolumeName, Volume] => [
        volume,
        new Volume(`${name}-${volume}-volume`, { labels: stackLabels }, own),
      ]),
    );
    // Images stay on the host as its cache: another stack may use them, and they take long to come.
    const images = new Map(
      plan.images.map((image): [string, RemoteImage] => [
        image,
        new RemoteImage(`${name}-${image}`, { name: image, keepLocally: true }, own),
      ]),
    );
    const imageOf = (image: string): pulumi.Resource[] => {
      const found = images.get(image) ?? args.serverImages?.get(image);
      return found === undefined ? [] : [found];
    };
    /** What works on volumes needs a shell, which this image has. */
    const shell = docker.images.haproxy;
    const volumeName = (volume: VolumeName): pulumi.Input<string> => volumes.get(volume)?.name ?? "";

    const files = new Map<VolumeName, Files>();
    for (const { volume, service, place, image, files: planned, reloadSignal } of plan.files) {
      const args = {
        ...{ host, place, image, volume: volumeName(volume) },
        files: planned.map(({ path, content, check }) => ({
          ...{ path, content, mode: 0o644, owner: 0 },
          ...present({ check: check && [...check] }),
        })),
        ...(reloadSignal === undefined ? {} : { reload: { stack, service, signal: reloadSignal } }),
      };
      files.set(volume, new Files(`${name}-${volume}-files`, args, { ...own, dependsOn: imageOf(image) }));
    }
    if (plan.needsApiKey && args.holysheepApiKey !== undefined) {
      const key = { path: holysheepKeyFile, content: pulumi.secret(args.holysheepApiKey), mode: 0o400 };
      files.set(
        "holysheep",
        new Files(
          `${name}-holysheep-key`,
          {
            ...{ host, image: shell, place: places.holysheep, volume: volumeName("holysheep") },
            files: [{ ...key, owner: users.triton }],
          },
          { ...own, dependsOn: imageOf(shell) },
        ),
      );
    }

    const repositories = new Map(
      plan.servers.map((server): [string, ModelRepository] => [
        server.name,
        new ModelRepository(
          `${name}-${server.name}-repository`,
          {
            ...{ host, image: shell, volume: volumeName("models"), server: server.name },
            ...repositoryContent(server),
            retain: docker.retain,
            owner: `${pulumi.getProject()}/${stack}`,
          },
          { ...own, dependsOn: imageOf(shell) },
        ),
      ]),
    );

    const made = new Map<ServiceName, Container>();
    const members = new Map<string, Member>();
    for (const planned of plan.containers) {
      const { member } = planned;
      const before: pulumi.Resource[] = [
        ...planned.mounts.flatMap(({ volume }) => files.get(volume) ?? []),
        ...(member === undefined
          ? []
          : [...repositories].flatMap(([server, each]) => (server === member.server ? [each] : []))),
        ...(member?.after === undefined ? [] : [members.get(member.after)].flatMap((each) => each ?? [])),
        ...imageOf(planned.image),
      ];
      const container = new Container(
        `${name}-${planned.name}`,
        containerArgs(planned, {
          stack,
          image: images.get(planned.image)?.imageId ?? planned.image,
          networks: new Map([...networks].map(([key, network]) => [key, network.name])),
          volumes: new Map([...volumes].map(([key, volume]) => [key, volume.name])),
          logs: docker.logs,
        }),
        {
          ...own,
          dependsOn: before,
          deleteBeforeReplace: planned.order === "oldFirst",
          // The provider takes another one for an update, and changes nothing.
          replaceOnChanges: ["healthcheck"],
          customTimeouts: timeouts(planned),
        },
      );
      made.set(planned.service, container);
      if (member === undefined) continue;
      const balancer = made.get("balancer");
      members.set(
        planned.name,
        new Member(
          `${name}-${planned.name}-member`,
          {
            ...{ host, stack, server: member.server, grace: planned.stop.grace },
            ...{ startup: member.startup, drain: member.drain },
            network: networks.get("inside")?.name ?? "",
            container: container.id,
          },
          {
            ...own,
            dependsOn: balancer === undefined ? [] : [balancer],
            customTimeouts: {
              create: seconds(member.startup + 120),
              delete: seconds(member.drain + planned.stop.grace + 60),
            },
          },
        ),
      );
    }
    this.registerOutputs();
  }
}

/** A rolled-back repository must be there already. */
function repositoryContent({
  repository,
  config: { rollback },
}: ServerPlan): Pick<ConstructorParameters<typeof ModelRepository>[1], "hash" | "files"> {
  return rollback === undefined
    ? { hash: repository.hash, files: repository.files.map(inProject) }
    : { hash: rollback };
}

function timeouts({ health, stop }: ContainerPlan): pulumi.CustomTimeouts {
  const start = seconds((health?.startPeriod ?? 0) + 300);
  return { create: start, update: start, delete: seconds(stop.grace + 60) };
}

function seconds(count: number): string {
  return `${String(count)}s`;
}
