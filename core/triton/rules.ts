import { versionFolders } from "../spec/artifacts.ts";
import type { Model } from "../spec/load.ts";
import { defaultArtifacts } from "../spec/model.ts";
import { suggest, type Problem } from "../spec/problem.ts";

/**
 * Triton's own rules for one model, checked before a server would refuse it at load.
 * Source: triton-inference-server/core `src/model_config_utils.cc` (ValidateModelConfig, ValidateInstanceGroup,
 * ValidateModelInput/Output) and `src/model_repository_manager` for version folders.
 */
export function checkModel(model: Model): Problem[] {
  const problem = (path: string, message: string, hint: string): Problem => ({
    file: model.file,
    path,
    message,
    hint,
  });
  return [
    ...kindRules(model, problem),
    ...tensorRules(model, problem),
    ...batchingRules(model, problem),
    ...instanceRules(model, problem),
    ...warmupRules(model, problem),
    ...versionRules(model, problem),
  ];
}

type Report = (path: string, message: string, hint: string) => Problem;

function kindRules({ spec }: Model, problem: Report): Problem[] {
  if (spec.ensemble === undefined) {
    return spec.backend === undefined
      ? [
          problem(
            "backend",
            "missing",
            "name the backend that runs this model, or give it an `ensemble` section",
          ),
        ]
      : [];
  }
  const forbidden = [
    ["backend", spec.backend],
    ["instances", spec.instances],
    ["batching", spec.batching],
    ["warmup", spec.warmup[0]],
    ["upstream", spec.upstream],
    ["memory", spec.memory],
  ] as const;
  return forbidden
    .filter(([, value]) => value !== undefined)
    .map(([key]) =>
      problem(key, `an ensemble has no \`${key}\` of its own`, "move it to the models of its steps"),
    );
}

function tensorRules({ spec }: Model, problem: Report): Problem[] {
  return (["inputs", "outputs"] as const).flatMap((side) =>
    spec[side].flatMap((tensor, i) => {
      const path = `${side}[${String(i)}].name`;
      return spec[side].findIndex(({ name }) => name === tensor.name) < i
        ? [
            problem(
              path,
              `there are two ${side} named \`${tensor.name}\``,
              "give each tensor a name of its own",
            ),
          ]
        : [];
    }),
  );
}

function batchingRules({ spec }: Model, problem: Report): Problem[] {
  const { batching, maxBatchSize } = spec;
  const problems: Problem[] = [];
  if (spec.responseCache && spec.ensemble !== undefined) {
    problems.push(
      problem(
        "responseCache",
        "an ensemble's own answers are not cached here",
        "set it on the steps worth caching",
      ),
    );
  }
  if (batching === undefined) return problems;
  if (maxBatchSize === 0) {
    problems.push(
      problem(
        "batching",
        "dynamic batching needs a batch dimension, but maxBatchSize is 0",
        "set maxBatchSize, or leave `batching` out",
      ),
    );
  }
  batching.preferredBatchSizes.forEach((size, i) => {
    if (maxBatchSize > 0 && size > maxBatchSize) {
      problems.push(
        problem(
          `batching.preferredBatchSizes[${String(i)}]`,
          `${String(size)} is larger than maxBatchSize ${String(maxBatchSize)}`,
          `prefer sizes from 1 to ${String(maxBatchSize)}`,
        ),
      );
    }
  });
  return problems;
}

function instanceRules({ spec }: Model, problem: Report): Problem[] {
  return (spec.instances ?? []).flatMap((group, i) => {
    const path = `instances[${String(i)}]`;
    const problems: Problem[] = [];
    if (group.kind === "cpu" && group.gpus !== undefined) {
      problems.push(
        problem(`${path}.gpus`, "an instance on the CPU has no GPUs", "leave `gpus` out, or write kind: gpu"),
      );
    }
    if (group.kind === "gpu" && spec.upstream !== undefined) {
      problems.push(
        problem(`${path}.kind`, "a model that only calls an external API wastes a GPU", "write kind: cpu"),
      );
    }
    return problems;
  });
}

function warmupRules({ spec }: Model, problem: Report): Problem[] {
  return spec.warmup.flatMap((sample, i) => {
    const path = `warmup[${String(i)}]`;
    const problems: Problem[] = [];
    if (sample.batchSize > Math.max(1, spec.maxBatchSize)) {
      problems.push(
        problem(
          `${path}.batchSize`,
          `${String(sample.batchSize)} is larger than maxBatchSize ${String(spec.maxBatchSize)}`,
          "warm up batches that can happen",
        ),
      );
    }
    const names = spec.inputs.map(({ name }) => name);
    for (const name of Object.keys(sample.inputs)) {
      if (!names.includes(name))
        problems.push(problem(`${path}.inputs.${name}`, "there is no such input", suggest(name, names)));
    }
    for (const { name, dims } of spec.inputs) {
      if ((sample.inputs[name]?.dims ?? dims).includes(-1)) {
        problems.push(
          problem(
            `${path}.inputs.${name}`,
            "a warm-up needs concrete dims, and the spec has -1",
            `add \`inputs: { ${name}: { dims: [...] } }\` to the sample`,
          ),
        );
      }
    }
    return problems;
  });
}

function versionRules({ spec, directory, artifacts }: Model, problem: Report): Problem[] {
  if (spec.ensemble !== undefined) return [];
  const present = [...new Set(artifacts.files.map((file) => Number(file.path.split("/")[0])))];
  const problems: Problem[] = [];
  if (artifacts.missing.length > 0) {
    problems.push(
      problem(
        "",
        `${artifacts.missing.join(", ")} ${artifacts.missing.length === 1 ? "is" : "are"} pinned in artifacts.lock and not in the folder`,
        `build it: npm run models -- ${spec.name}`,
      ),
    );
  } else if (present.length === 0) {
    problems.push(
      problem(
        "",
        "there is no version folder with files in it",
        `put the artifact into ${spec.name}/1/${defaultArtifact(spec.backend)}, or build it: npm run models -- ${spec.name}`,
      ),
    );
  }
  if ("specific" in spec.versions) {
    for (const version of spec.versions.specific) {
      if (!present.includes(version)) {
        problems.push(
          problem(
            "versions.specific",
            `there is no version ${String(version)}`,
            `versions here: ${versionFolders(directory).join(", ") || "none"}`,
          ),
        );
      }
    }
  }
  const artifact = spec.backend && defaultArtifacts[spec.backend];
  const empty =
    artifact === undefined
      ? []
      : present.filter(
          (version) =>
            // A file, or a folder of that name, as for models in several pieces.
            !artifacts.files.some(({ path }) => `${path}/`.startsWith(`${String(version)}/${artifact}/`)),
        );
  for (const version of empty) {
    problems.push(
      problem(
        "",
        `version ${String(version)} has no ${defaultArtifact(spec.backend)}`,
        `the ${spec.backend ?? ""} backend reads ${spec.name}/${String(version)}/${defaultArtifact(spec.backend)}`,
      ),
    );
  }
  return problems;
}

function defaultArtifact(backend: Model["spec"]["backend"]): string {
  return (backend && defaultArtifacts[backend]) ?? "<artifact>";
}
