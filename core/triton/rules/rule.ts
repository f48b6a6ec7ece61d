import type { Model } from "../../spec/load.ts";
import type { ResolvedBackend } from "../backends.ts";
import type { Release } from "../releases.ts";
import type { EnsembleGraph } from "./ensemble-graph.ts";

/** One thing that Triton, or this platform, asks of a model beyond the shape of its spec. */
export interface Rule {
  /** Its name in messages, reports and `silenced`: kebab-case, never changed once released. */
  readonly code: string;
  /** What it asks and why, in a sentence or two, for docs/rules.md. */
  readonly about: string;
  /** An error is refused; advice is shown, and a spec may silence it with a reason. */
  readonly severity: "error" | "advice";
  /** Where it comes from: Triton's file and function, or why this project asks it. */
  readonly source: string;
  /** Release from which on Triton asks it; always where left out. */
  readonly since?: Release;
  readonly check: (context: RuleContext) => readonly Finding[];
}

export interface Finding {
  /** Path inside the spec, as in `inputs[0].dims`; empty where the model's files are meant. */
  readonly path: string;
  /** What is wrong, with the value that is wrong. */
  readonly message: string;
  /** What to do about it. */
  readonly hint: string;
}

/** A model to be judged, and what it is judged with. */
export interface Subject {
  readonly model: Model;
  /** Every model of the platform by name: an ensemble is judged with its steps. The same map for all models. */
  readonly models: ReadonlyMap<string, Model>;
  readonly server: ServerFacts;
}

/** A subject with what several rules work out of it. */
export interface RuleContext extends Subject {
  /** What Triton fills in for the backend, its platform and its artifact. */
  readonly resolved: ResolvedBackend;
  /** The versions that Triton loads under the spec's policy, ascending. */
  readonly versions: readonly ServedVersion[];
  /** An ensemble's tensors and steps; undefined for other models. */
  readonly graph?: EnsembleGraph;
}

export interface ServedVersion {
  readonly version: number;
  /** Paths below the version's folder, and of every folder in it. */
  readonly paths: ReadonlySet<string>;
}

/** What is known of the server that is to load a model. */
export interface ServerFacts {
  readonly release: Release;
  /** Backends that the image has besides NVIDIA's. */
  readonly customBackends: readonly string[];
  /** Repository agents that the image has besides NVIDIA's. */
  readonly customAgents: readonly string[];
  /** CUDA devices a replica sees; undefined where the config does not say. */
  readonly accelerator?: {
    /** For people: `A100-SXM4-80GB`, or with a MIG profile. */
    readonly product: string;
    readonly devices: number;
    /** As Triton writes it in cc_model_filenames: `8.0`. */
    readonly computeCapability: string;
  };
}
