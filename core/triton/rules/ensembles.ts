import type { Model } from "../../spec/load.ts";
import { ensembleGraph, type EnsembleGraph, type GraphStep } from "./ensemble-graph.ts";

/** What can only be said of all ensembles together: which use themselves, and which are decoupled. */
export interface Ensembles {
  readonly graphs: ReadonlyMap<string, EnsembleGraph>;
  /** Ensembles that use themselves, directly or through ensembles of their steps. */
  readonly recursive: ReadonlySet<string>;
  /** Ensembles a request to which may have any number of responses, since one of their steps is decoupled. */
  readonly decoupled: ReadonlySet<string>;
}

const known = new WeakMap<ReadonlyMap<string, Model>, Ensembles>();

/** Worked out once for a set of models, though the rules of each ensemble ask for it. */
export function ensemblesOf(models: ReadonlyMap<string, Model>): Ensembles {
  const before = known.get(models);
  if (before !== undefined) return before;
  const ensembles = workOut(models);
  known.set(models, ensembles);
  return ensembles;
}

function workOut(models: ReadonlyMap<string, Model>): Ensembles {
  const graphs = new Map<string, EnsembleGraph>();
  for (const [name, { spec }] of models) {
    if (spec.ensemble !== undefined) graphs.set(name, ensembleGraph(spec, models));
  }
  const uses = new Map(
    [...graphs].map(([name, { steps }]) => [
      name,
      [...new Set(steps.map(({ step }) => step.model))].filter((model) => graphs.has(model)),
    ]),
  );
  const groups = mutuallyReachable(uses);
  const recursive = new Set(
    groups.flatMap((group) =>
      group.length > 1 || group.some((name) => uses.get(name)?.includes(name)) ? group : [],
    ),
  );
  const decoupled = new Set<string>();
  // Groups come with what they use before them.
  for (const name of groups.flat()) {
    const isDecoupled = ({ step, model }: GraphStep): boolean =>
      decoupled.has(step.model) ||
      (model?.spec.ensemble === undefined && model?.spec.transactionPolicy?.decoupled === true);
    if (graphs.get(name)?.steps.some(isDecoupled)) decoupled.add(name);
  }
  return { graphs, recursive, decoupled };
}

/** Tarjan's strongly connected components, without recursion: chains of ensembles may be long. */
function mutuallyReachable(uses: ReadonlyMap<string, readonly string[]>): string[][] {
  const groups: string[][] = [];
  const found = new Map<string, { order: number; lowest: number; open: boolean }>();
  const open: string[] = [];
  for (const start of uses.keys()) {
    if (found.has(start)) continue;
    const way: { name: string; next: number }[] = [];
    const enter = (name: string): void => {
      found.set(name, { order: found.size, lowest: found.size, open: true });
      open.push(name);
      way.push({ name, next: 0 });
    };
    enter(start);
    for (let here = way.at(-1); here !== undefined; here = way.at(-1)) {
      const mine = found.get(here.name);
      const target = uses.get(here.name)?.[here.next++];
      if (mine === undefined) break;
      if (target !== undefined) {
        const there = found.get(target);
        if (there === undefined) enter(target);
        else if (there.open) mine.lowest = Math.min(mine.lowest, there.order);
        continue;
      }
      way.pop();
      const above = found.get(way.at(-1)?.name ?? "");
      if (above !== undefined) above.lowest = Math.min(above.lowest, mine.lowest);
      if (mine.lowest === mine.order) groups.push(closeGroup(here.name, open, found));
    }
  }
  return groups;
}

function closeGroup(root: string, open: string[], found: ReadonlyMap<string, { open: boolean }>): string[] {
  const group = open.splice(open.lastIndexOf(root));
  for (const name of group) {
    const state = found.get(name);
    if (state !== undefined) state.open = false;
  }
  return group;
}
