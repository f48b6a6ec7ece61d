import type { Model } from "./spec/load.ts";
import type { PlatformConfig } from "./spec/platform.ts";
import { suggest, type Problem } from "./spec/problem.ts";
import { imageOf } from "./triton/backends.ts";
import { backendOf } from "./triton/repository.ts";

/** Server groups as the config has them: which models each serves, and what is wrong with that. */

/** A server group's models, sorted by name. */
export interface ServerGroup {
  readonly name: string;
  readonly config: PlatformConfig["servers"][string];
  /** As listed, whether or not there are such models. */
  readonly listed: readonly string[];
  readonly models: readonly Model[];
}

/** What each server lists, and for the default server all that nobody lists. */
export function serverGroups(
  models: ReadonlyMap<string, Model>,
  config: PlatformConfig,
): readonly ServerGroup[] {
  const taken = new Set(Object.values(config.servers).flatMap((server) => server.models ?? []));
  const rest = [...models.keys()].filter((name) => !taken.has(name));
  return Object.entries(config.servers).map(([name, server]) => {
    const listed = [...(server.models ?? []), ...(name === config.defaultServer ? rest : [])].sort();
    return { name, config: server, listed, models: listed.flatMap((model) => models.get(model) ?? []) };
  });
}

/** Everything wrong with the groups. `file` names the stack's config. */
export function checkServers(
  groups: readonly ServerGroup[],
  models: ReadonlyMap<string, Model>,
  config: PlatformConfig,
  file: string,
): Problem[] {
  const report: Report = (path, message, hint) => ({
    file,
    path: `triton-platform:${path}`,
    message,
    hint,
  });
  return [
    ...defaultServerProblems(config, report),
    ...listProblems(groups, models, report),
    ...groups.flatMap((group) => [
      ...groupProblems(group, models, report),
      ...imageProblems(group, config.customBackends, report),
    ]),
  ];
}

type Report = (path: string, message: string, hint: string) => Problem;

function defaultServerProblems({ defaultServer, servers }: PlatformConfig, report: Report): Problem[] {
  const names = Object.keys(servers);
  return names.includes(defaultServer)
    ? []
    : [report("defaultServer", `there is no server \`${defaultServer}\``, suggest(defaultServer, names))];
}

/** Models that are not there, listed twice, or on two servers. */
function listProblems(
  groups: readonly ServerGroup[],
  models: ReadonlyMap<string, Model>,
  report: Report,
): Problem[] {
  const seenOn = new Map<string, string>();
  return groups.flatMap(({ name, config }) =>
    (config.models ?? []).flatMap((model, i) => {
      const path = `servers.${name}.models[${String(i)}]`;
      const other = seenOn.get(model);
      seenOn.set(model, name);
      const problems: Problem[] = [];
      if (!models.has(model))
        problems.push(report(path, `there is no model \`${model}\``, suggest(model, [...models.keys()])));
      if (other === name) problems.push(report(path, `\`${model}\` is listed twice`, "list each model once"));
      else if (other !== undefined)
        problems.push(
          report(path, `\`${model}\` is on server \`${other}\` too`, "put each model on one server"),
        );
      return problems;
    }),
  );
}

function groupProblems(
  { name, config, listed, models: group }: ServerGroup,
  models: ReadonlyMap<string, Model>,
  report: Report,
): Problem[] {
  const problems: Problem[] = [];
  if (listed.length === 0)
    problems.push(
      report(`servers.${name}.models`, "this server has no model", "list its models, or remove the server"),
    );
  const namesOf = (wanted: (model: Model) => boolean): string =>
    group
      .filter(wanted)
      .map(({ spec }) => spec.name)
      .join(", ");
  const callsUpstream = namesOf(({ spec }) => spec.upstream !== undefined);
  const onGpu = namesOf(({ spec }) => spec.instances?.some(({ kind }) => kind === "gpu") ?? false);
  if (callsUpstream !== "" && onGpu !== "") {
    problems.push(
      report(
        `servers.${name}.models`,
        `${callsUpstream} calls an external API and shares this server with GPU models (${onGpu})`,
        "give it a server of its own, so that an outage upstream never costs a GPU",
      ),
    );
  }
  const here = new Set(listed);
  for (const { spec } of group) {
    if (spec.responseCache === true && config.responseCache === undefined) {
      problems.push(
        report(
          `servers.${name}.responseCache`,
          `missing, and \`${spec.name}\` wants its answers cached`,
          "give the server memory for it, like 256MiB",
        ),
      );
    }
    for (const step of spec.ensemble?.steps ?? []) {
      if (models.has(step.model) && !here.has(step.model)) {
        problems.push(
          report(
            `servers.${name}.models`,
            `the ensemble \`${spec.name}\` is here and its step \`${step.model}\` is not`,
            "an ensemble and all its steps share one server",
          ),
        );
      }
    }
  }
  return problems;
}

/** A server runs one image. NVIDIA's all have the Python backend; the others are in one of them each. */
function imageProblems(
  { name, models }: ServerGroup,
  customBackends: readonly string[],
  report: Report,
): Problem[] {
  const byImage = new Map<string, string>();
  for (const model of models) {
    const { backend } = backendOf(model);
    const image = backend === undefined || customBackends.includes(backend) ? undefined : imageOf(backend);
    if (image !== undefined && backend !== "python" && !byImage.has(image))
      byImage.set(image, `${model.spec.name} (${backend ?? ""}) the image ${image}`);
  }
  return byImage.size < 2
    ? []
    : [
        report(
          `servers.${name}.models`,
          `no image has all their backends: ${[...byImage.values()].join(", ")}`,
          "give each image a server of its own, or build one with all of them and list those that it adds in triton-platform:customBackends",
        ),
      ];
}
