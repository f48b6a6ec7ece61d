import { versionFolders } from "../../spec/artifacts.ts";
import type { ModelSpec } from "../../spec/model.ts";
import type { ResolvedBackend } from "../backends.ts";
import { needsNoFiles } from "../repository.ts";
import type { Finding, Rule, RuleContext } from "./rule.ts";

/** A model's version folders and the artifacts in them. */
export const versionRules: readonly Rule[] = [
  {
    code: "artifacts-missing",
    about:
      "What artifacts.lock pins is on disk, or in S3 where the lock says so: it is what is to be served.",
    severity: "error",
    source: "this project: a repository is made of the files that were locked",
    check: locked,
  },
  {
    code: "no-version",
    about:
      "A model has a version folder with files in it, unless its backend reads none, as TensorRT-LLM and many of one's own do.",
    severity: "error",
    source: "core/src/model_lifecycle.cc VersionsToLoad, AsyncLoad",
    check: noVersion,
  },
  {
    code: "version-number",
    about: "A version is a number that is told apart from its neighbours. Triton dies of one beyond 64 bits.",
    severity: "error",
    source: "core/src/model_lifecycle.cc VersionsToLoad (stoll); this project: numbers up to 2^53 - 1",
    check: versionNumbers,
  },
  {
    code: "version-absent",
    about:
      "Versions that are asked for are there. Triton refuses the model only if all are absent, and otherwise writes a line into its log: callers of the absent one find out.",
    severity: "error",
    source: "core/src/model_lifecycle.cc VersionsToLoad",
    check: absent,
  },
  {
    code: "artifact-missing",
    about: "Each served version has the file or folder that its backend reads.",
    severity: "error",
    source: "the backends' loaders; core/src/model_config_utils.cc AutoCompleteBackendFields for the name",
    check: artifacts,
  },
  {
    code: "compute-capability-artifact-missing",
    about: "Each served version has every plan that is named for a compute capability.",
    severity: "error",
    source:
      "tensorrt_backend/src/model_state.cc AutoCompleteConfig; this project: the next GPU must find its plan too",
    check: capabilityArtifacts,
  },
  {
    code: "compute-capability-unlisted",
    about: "Where artifacts are named by compute capability, the GPU's own is among them.",
    severity: "advice",
    source: "tensorrt_backend/src/model_state.cc AutoCompleteConfig, which then takes the default file",
    check: unlisted,
  },
  {
    code: "compute-capability-unused",
    about: "Only TensorRT chooses its artifact by the GPU's compute capability.",
    severity: "advice",
    source: "the other backends' sources, which do not read cc_model_filenames",
    check: capabilityUnused,
  },
  {
    code: "plan-without-compute-capability",
    about:
      "A TensorRT plan runs on GPUs of the compute capability it was built for. With ccModelFilenames the mismatch is found before it is loaded.",
    severity: "advice",
    source: "TensorRT's documentation of engine compatibility; facts of cc_model_filenames",
    check: planWithoutCapability,
  },
];

function locked({ model: { spec, artifacts: found } }: RuleContext): Finding[] {
  const paths = found.missing.filter((path) => !found.sources.has(path));
  return spec.ensemble !== undefined || paths.length === 0
    ? []
    : [
        {
          path: "",
          message: `${paths.join(", ")} ${paths.length === 1 ? "is" : "are"} pinned in artifacts.lock and not in the folder`,
          hint: `build it: npm run models -- ${spec.name}`,
        },
      ];
}

function noVersion({ model, resolved }: RuleContext): Finding[] {
  const { spec, artifacts: found } = model;
  if (found.files.length > 0 || needsNoFiles(model)) return [];
  const reads =
    resolved.artifact === undefined
      ? `put what the backend reads into ${spec.name}/1`
      : `put what the ${resolved.backend ?? ""} backend reads there: ${artifactPath(spec, 1, resolved)}`;
  return [
    {
      path: "",
      message: "there is no version folder with files in it",
      hint: `${reads}, or build it: npm run models -- ${spec.name}`,
    },
  ];
}

function artifactPath(
  spec: ModelSpec,
  version: number,
  { artifact = "", fallback }: ResolvedBackend,
): string {
  const path = `${spec.name}/${String(version)}/${artifact}`;
  return fallback === undefined ? path : `${path} or ${fallback}`;
}

function versionNumbers({ model: { artifacts: found } }: RuleContext): Finding[] {
  const folders = new Set(found.files.map(({ path }) => path.slice(0, path.indexOf("/"))));
  return [...folders]
    .filter((folder) => !Number.isSafeInteger(Number(folder)))
    .map((folder) => ({
      path: "",
      message: `version ${folder} is too large a number`,
      hint: `rename the folder: versions go up to ${String(Number.MAX_SAFE_INTEGER)}`,
    }));
}

function absent({ model, versions }: RuleContext): Finding[] {
  const { spec, directory } = model;
  const { versions: policy } = spec;
  if (policy === undefined || !("specific" in policy)) return [];
  const served = new Set(versions.map(({ version }) => version));
  return policy.specific.flatMap((version, i) =>
    served.has(version)
      ? []
      : [
          {
            path: `versions.specific[${String(i)}]`,
            message: `there is no version ${String(version)}`,
            hint: needsNoFiles(model)
              ? "leave `versions` out: without files there is version 1"
              : `versions here: ${versionFolders(directory).join(", ") || "none"}`,
          },
        ],
  );
}

/** TensorRT's plans by compute capability; none for other backends, which do not read them. */
function plansOf({ model: { spec }, resolved: { backend } }: RuleContext): ModelSpec["ccModelFilenames"] {
  return backend === "tensorrt" ? spec.ccModelFilenames : {};
}

/** The artifact that is read on this server: by the GPU's compute capability, or the default. */
function readHere(context: RuleContext): string | undefined {
  const plans = plansOf(context);
  const { accelerator } = context.server;
  // Where the GPU is not known, the plans that are named for GPUs stand for the default.
  const isPlan =
    accelerator === undefined
      ? Object.keys(plans).length > 0
      : Object.hasOwn(plans, accelerator.computeCapability);
  return isPlan ? undefined : context.resolved.artifact;
}

function artifacts(context: RuleContext): Finding[] {
  const { model, resolved, versions } = context;
  const { backend = "", fallback = "" } = resolved;
  const artifact = readHere(context);
  if (model.spec.ensemble !== undefined || artifact === undefined) return [];
  return versions
    .filter(({ paths }) => !paths.has(artifact) && !paths.has(fallback))
    .map(({ version }) => ({
      path: "",
      message: `version ${String(version)} has no ${artifact}`,
      hint: `the ${backend} backend reads ${artifactPath(model.spec, version, resolved)}`,
    }));
}

function capabilityArtifacts(context: RuleContext): Finding[] {
  const { model, versions } = context;
  return Object.entries(plansOf(context)).flatMap(([capability, file]) =>
    versions
      .filter(({ paths }) => !paths.has(file))
      .map(({ version }) => ({
        path: `ccModelFilenames.${capability}`,
        message: `version ${String(version)} has no ${file}`,
        hint: `put it into ${model.spec.name}/${String(version)}, or leave the capability out`,
      })),
  );
}

function unlisted(context: RuleContext): Finding[] {
  const capabilities = Object.keys(plansOf(context));
  const { accelerator } = context.server;
  if (accelerator === undefined || capabilities.length === 0) return [];
  return capabilities.includes(accelerator.computeCapability)
    ? []
    : [
        {
          path: "ccModelFilenames",
          message: `${accelerator.product} has compute capability ${accelerator.computeCapability}, and there are plans for ${capabilities.join(", ")}`,
          hint: `add a plan for "${accelerator.computeCapability}"`,
        },
      ];
}

function capabilityUnused({ model: { spec }, resolved: { backend } }: RuleContext): Finding[] {
  return backend === undefined || backend === "tensorrt" || Object.keys(spec.ccModelFilenames).length === 0
    ? []
    : [
        {
          path: "ccModelFilenames",
          message: `the ${backend} backend does not read it`,
          hint: "leave it out, and name the artifact in defaultModelFilename",
        },
      ];
}

function planWithoutCapability({ model: { spec }, resolved, server }: RuleContext): Finding[] {
  if (resolved.backend !== "tensorrt" || Object.keys(spec.ccModelFilenames).length > 0) return [];
  const { accelerator } = server;
  const known = accelerator === undefined ? "8.0" : accelerator.computeCapability;
  return [
    {
      path: "ccModelFilenames",
      message: `nothing says for which GPUs the plan was built${accelerator === undefined ? "" : `; here they are ${accelerator.product}`}`,
      hint: `write \`ccModelFilenames: { "${known}": ${resolved.artifact ?? "model.plan"} }\``,
    },
  ];
}
