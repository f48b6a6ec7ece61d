import type { ModelSpec } from "../../spec/model.ts";
import type { Finding, Rule, RuleContext } from "./rule.ts";

/** Where a model runs and how often (spec/model/instances.ts). */
export const instanceRules: readonly Rule[] = [
  {
    code: "gpus-without-gpu",
    about: "Only instances on GPUs name GPUs.",
    severity: "error",
    source: "core/src/model_config_utils.cc ValidateInstanceGroup",
    check: gpusWithoutGpu,
  },
  {
    code: "gpu-absent",
    about:
      "An instance group names GPUs that its server sees; an `auto` group with another falls back to the CPU and is then refused for naming GPUs.",
    severity: "error",
    source: "core/src/model_config_utils.cc NormalizeInstanceGroup, ValidateInstanceGroup",
    check: gpuAbsent,
  },
  {
    code: "tensorrt-needs-gpu",
    about: "TensorRT runs on GPUs that Triton gives it, unless it spreads one model over several itself.",
    severity: "error",
    source: "tensorrt_backend/src/instance_state.cc ModelInstanceState::ModelInstanceState",
    check: tensorRtKinds,
  },
  {
    code: "profiles-backend",
    about: "Only TensorRT has optimisation profiles.",
    severity: "error",
    source: "core/src/model_config_utils.cc ValidateInstanceGroup",
    check: profilesBackend,
  },
  {
    code: "profile-index",
    about: "An optimisation profile is named by its number.",
    severity: "error",
    source: "core/src/model_config_utils.cc ValidateInstanceGroup, GetProfileIndex",
    check: profileIndex,
  },
  {
    code: "all-instances-passive",
    about:
      "Some instance takes requests. Triton loads a model that has passive ones only, and never answers.",
    severity: "error",
    source: "core/src/backend_model.cc TritonModel::RegisterBackgroundInstance",
    check: allPassive,
  },
  {
    code: "rate-limiter-scope",
    about:
      "A resource is shared by all devices or each has its own. Triton refuses both together when its rate limiter is on, and without it the resources mean nothing.",
    severity: "error",
    source: "core/src/rate_limiter.cc ResourceManager::ValidateMaxResources",
    check: resourceScope,
  },
  {
    code: "upstream-on-gpu",
    about: "A model that calls an external API waits for the network and needs no GPU.",
    severity: "error",
    source: "this project: an outage upstream must not cost a GPU",
    check: upstreamOnGpu,
  },
  {
    code: "duplicate-gpu",
    about: "A GPU named twice gets the instances twice.",
    severity: "advice",
    source: "core/src/backend_model.cc TritonModel::PrepareInstances",
    check: duplicateGpus,
  },
  {
    code: "instances-on-every-gpu",
    about: "A group without `gpus` has its count on each GPU the server sees, and its memory too.",
    severity: "advice",
    source: "core/src/model_config_utils.cc NormalizeInstanceGroup; server issue 6928",
    check: onEveryGpu,
  },
  {
    code: "secondary-devices-backend",
    about: "Only TensorRT uses DLA cores.",
    severity: "advice",
    source: "common/protobuf/model_config.proto ModelInstanceGroup.secondary_devices",
    check: secondaryDevices,
  },
];

type Group = NonNullable<ModelSpec["instances"]>[number];

function groupsOf({ model: { spec } }: RuleContext): { readonly path: string; readonly group: Group }[] {
  return (spec.instances ?? []).map((group, i) => ({ path: `instances[${String(i)}]`, group }));
}

function gpusWithoutGpu(context: RuleContext): Finding[] {
  return groupsOf(context)
    .filter(({ group }) => (group.kind === "cpu" || group.kind === "model") && group.gpus !== undefined)
    .map(({ path, group }) => ({
      path: `${path}.gpus`,
      message:
        group.kind === "cpu"
          ? "an instance on the CPU has no GPUs"
          : "kind: model leaves the GPUs to the model",
      hint: "leave `gpus` out, or write kind: gpu",
    }));
}

function gpuAbsent(context: RuleContext): Finding[] {
  const { accelerator } = context.server;
  if (accelerator === undefined) return [];
  const { devices } = accelerator;
  return groupsOf(context).flatMap(({ path, group }) => {
    if (group.kind === "gpu" && devices === 0)
      return [{ path: `${path}.kind`, message: "the server has no GPU", hint: "write kind: cpu" }];
    if (group.kind !== "gpu" && group.kind !== "auto") return [];
    return (group.gpus ?? []).flatMap((gpu, i) =>
      gpu < devices
        ? []
        : [
            {
              path: `${path}.gpus[${String(i)}]`,
              message: `there is no GPU ${String(gpu)}: the server sees ${devices === 0 ? "none" : `${String(devices)} (${accelerator.product})`}`,
              hint: `${gpuNumbers(devices)}leave \`gpus\` out for all that there are`,
            },
          ],
    );
  });
}

function gpuNumbers(devices: number): string {
  if (devices === 0) return "";
  return devices === 1 ? "write 0, or " : `write numbers from 0 to ${String(devices - 1)}, or `;
}

function tensorRtKinds(context: RuleContext): Finding[] {
  const { parameters } = context.model.spec;
  if (context.resolved.backend !== "tensorrt") return [];
  return groupsOf(context)
    .filter(
      ({ group: { kind } }) =>
        kind === "cpu" || (kind === "model" && !Object.hasOwn(parameters, "enable_multi_device")),
    )
    .map(({ path, group }) => ({
      path: `${path}.kind`,
      message: `TensorRT does not run as kind: ${group.kind}`,
      hint: "write kind: gpu",
    }));
}

function profilesBackend(context: RuleContext): Finding[] {
  if (context.resolved.platform === "tensorrt_plan") return [];
  return groupsOf(context)
    .filter(({ group }) => (group.profiles ?? []).length > 0)
    .map(({ path }) => ({
      path: `${path}.profiles`,
      message: "only TensorRT has optimisation profiles",
      hint: "leave them out",
    }));
}

function profileIndex(context: RuleContext): Finding[] {
  if (context.resolved.platform !== "tensorrt_plan") return [];
  return groupsOf(context).flatMap(({ path, group }) =>
    (group.profiles ?? []).flatMap((profile, i) =>
      isProfileIndex(profile)
        ? []
        : [
            {
              path: `${path}.profiles[${String(i)}]`,
              message: `"${profile}" is no number of a profile`,
              hint: 'write a whole number as text, like "0"',
            },
          ],
    ),
  );
}

/** As C++'s stoi reads it, which skips blanks in front and stops at the first character that is no digit. */
function isProfileIndex(profile: string): boolean {
  const number = Number(/^\s*([+-]?\d+)/.exec(profile)?.[1] ?? "-1");
  return number >= 0 && number < 2 ** 31;
}

function allPassive(context: RuleContext): Finding[] {
  const groups = groupsOf(context);
  return groups.length > 0 && groups.every(({ group }) => group.passive)
    ? [
        {
          path: "instances",
          message: "all instances are passive, so no request is ever answered",
          hint: "leave `passive` out of at least one group",
        },
      ]
    : [];
}

function resourceScope(context: RuleContext): Finding[] {
  const scopes = new Map<string, boolean>();
  return groupsOf(context).flatMap(({ path, group }) =>
    (group.rateLimiter?.resources ?? []).flatMap(({ name, global }, i) => {
      const before = scopes.get(name);
      if (before === undefined) scopes.set(name, global);
      return before === undefined || before === global
        ? []
        : [
            {
              path: `${path}.rateLimiter.resources[${String(i)}].global`,
              message: `\`${name}\` is ${before ? "shared by all devices" : "each device's own"} elsewhere`,
              hint: "write the same for every mention of it, or give the other one another name",
            },
          ];
    }),
  );
}

function upstreamOnGpu(context: RuleContext): Finding[] {
  if (context.model.spec.upstream === undefined) return [];
  return groupsOf(context)
    .filter(({ group }) => group.kind === "gpu")
    .map(({ path }) => ({
      path: `${path}.kind`,
      message: "a model that only calls an external API wastes a GPU",
      hint: "write kind: cpu",
    }));
}

function duplicateGpus(context: RuleContext): Finding[] {
  return groupsOf(context).flatMap(({ path, group }) => {
    const seen = new Set<number>();
    return (group.gpus ?? []).flatMap((gpu, i) => {
      if (!seen.has(gpu)) {
        seen.add(gpu);
        return [];
      }
      return [
        {
          path: `${path}.gpus[${String(i)}]`,
          message: `GPU ${String(gpu)} is named twice and gets the instances twice`,
          hint: "name each GPU once, and raise `count` for more instances",
        },
      ];
    });
  });
}

function onEveryGpu(context: RuleContext): Finding[] {
  const devices = context.server.accelerator?.devices ?? 1;
  if (devices < 2) return [];
  return groupsOf(context)
    .filter(({ group }) => group.kind === "gpu" && group.gpus === undefined)
    .map(({ path, group }) => {
      const count = group.count ?? 1;
      return {
        path: `${path}.gpus`,
        message: `missing, so ${String(count)} on each of ${String(devices)} GPUs are ${String(count * devices)} instances`,
        hint: "name the GPUs, or silence this where every GPU is meant",
      };
    });
}

function secondaryDevices(context: RuleContext): Finding[] {
  if (context.resolved.backend === "tensorrt") return [];
  return groupsOf(context)
    .filter(({ group }) => (group.secondaryDevices ?? []).length > 0)
    .map(({ path }) => ({
      path: `${path}.secondaryDevices`,
      message: "only TensorRT uses them",
      hint: "leave them out",
    }));
}
