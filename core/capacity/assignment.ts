/** A search for subsets of identical devices; sizes in any unit. */
export interface AssignmentTask {
  /** What is free on each device before anything is assigned. */
  readonly free: readonly number[];
  /** What each item takes on every device it is put on; each needs at least one. */
  readonly items: readonly number[];
  /** Steps of the search, after which it gives up. */
  readonly steps: number;
}

/**
 * `assigned`: `devices` has for each item the devices it goes on, ascending; `best` says whether it is proved that no
 * better assignment exists. `impossible`: proved, by `proof`. `undecided`: the steps ran out before either.
 */
export type Assignment =
  | {
      readonly verdict: "assigned";
      readonly devices: readonly (readonly number[])[];
      readonly best: boolean;
    }
  | { readonly verdict: "impossible"; readonly proof: AssignmentProof }
  | { readonly verdict: "undecided" };

export type AssignmentProof =
  /** Something fixed is already too much for this device. */
  | { readonly by: "device"; readonly device: number }
  /** The item is larger than what is free on any device. */
  | { readonly by: "item"; readonly item: number }
  /** One copy of each is more than all devices together have free. */
  | { readonly by: "total" }
  /** All ways were tried. */
  | { readonly by: "exhausted" };

/**
 * Items on devices so that none is overfull. Better is, in this order: more copies in all; more copies of the item
 * that has fewest; more left on the fullest device. Exact (branch and bound) within its steps.
 *
 * More copies only fill devices further, so an assignment exists just when one copy of each can be packed; that is
 * decided first.
 */
export function assign({ free, items, steps }: AssignmentTask): Assignment {
  const proof = quickProof(free, items);
  if (proof !== undefined) return { verdict: "impossible", proof };
  const budget = { left: steps };
  const order = items.map((_, i) => i).sort((a, b) => (items[b] ?? 0) - (items[a] ?? 0) || a - b);
  const sizes = order.map((i) => items[i] ?? 0);
  const single = packSingles(free, sizes, budget);
  if (single === "undecided") return { verdict: "undecided" };
  if (single === undefined) return { verdict: "impossible", proof: { by: "exhausted" } };
  const { sets, best } = improve(free, sizes, addCopies(free, sizes, single), budget);
  const devices: (readonly number[])[] = items.map(() => []);
  order.forEach((item, i) => {
    devices[item] = [...(sets[i] ?? [])].sort((a, b) => a - b);
  });
  return { verdict: "assigned", devices, best };
}

interface Budget {
  left: number;
}

function quickProof(free: readonly number[], items: readonly number[]): AssignmentProof | undefined {
  const device = free.findIndex((bytes) => bytes < 0);
  if (device !== -1) return { by: "device", device };
  const largest = Math.max(-1, ...free);
  const item = items.findIndex((size) => size > largest);
  if (item !== -1) return { by: "item", item };
  return sum(items) > sum(free) ? { by: "total" } : undefined;
}

/**
 * Bin packing, largest first: each item on one device. What goes on the emptiest device in turn is done at once, as
 * thousands of small items are; else ways are tried, where devices with the same space left are the same.
 */
function packSingles(
  free: readonly number[],
  sizes: readonly number[],
  budget: Budget,
): number[][] | undefined | "undecided" {
  const spread = spreadSingles(free, sizes);
  if (spread !== undefined) return spread;
  const left = [...free];
  const chosen: number[] = [];
  const failed = new Set<string>();
  const place = (i: number): boolean | "undecided" => {
    const size = sizes[i];
    if (size === undefined) return true;
    if (--budget.left < 0) return "undecided";
    const state = `${String(i)}:${[...left].sort((a, b) => a - b).join()}`;
    if (failed.has(state)) return false;
    const tried = new Set<number>();
    for (const [device, space] of [...left.entries()].sort(([, a], [, b]) => b - a)) {
      if (space < size || tried.has(space)) continue;
      tried.add(space);
      left[device] = space - size;
      chosen[i] = device;
      const done = place(i + 1);
      if (done !== false) return done;
      left[device] = space;
    }
    failed.add(state);
    return false;
  };
  const done = place(0);
  if (done === "undecided") return done;
  return done ? chosen.map((device) => [device]) : undefined;
}

function spreadSingles(free: readonly number[], sizes: readonly number[]): number[][] | undefined {
  const left = [...free];
  const chosen: number[][] = [];
  for (const size of sizes) {
    const space = Math.max(...left);
    if (space < size) return undefined;
    const device = left.indexOf(space);
    left[device] = space - size;
    chosen.push([device]);
  }
  return chosen;
}

/** A good start: as many copies more as fit, the smallest item first, each on the emptiest device without it. */
function addCopies(
  free: readonly number[],
  sizes: readonly number[],
  single: readonly (readonly number[])[],
): number[][] {
  const sets = single.map((set) => [...set]);
  const left = spaceLeft(free, sizes, sets);
  for (let i = sizes.length - 1; i >= 0; i--) {
    const size = sizes[i] ?? 0;
    for (const [device] of [...left.entries()].sort(([, a], [, b]) => b - a)) {
      if (sets[i]?.includes(device) === true || (left[device] ?? 0) < size) continue;
      sets[i]?.push(device);
      left[device] = (left[device] ?? 0) - size;
    }
  }
  return sets;
}

/** More copies in all, more of the rarest, more space on the fullest device: compared in this order. */
type Score = readonly [copies: number, rarest: number, space: number];

function improve(
  free: readonly number[],
  sizes: readonly number[],
  start: number[][],
  budget: Budget,
): { readonly sets: readonly (readonly number[])[]; readonly best: boolean } {
  let sets = start;
  let score: Score = scoreOf(start, spaceLeft(free, sizes, start));
  const left = [...free];
  const chosen: number[][] = [];
  /** False where the steps ran out. */
  const search = (i: number): boolean => {
    const size = sizes[i];
    if (size === undefined) {
      const found = scoreOf(chosen, left);
      if (isBetter(found, score)) {
        score = found;
        sets = chosen.map((set) => [...set]);
      }
      return true;
    }
    if (--budget.left < 0) return false;
    const limit = bound(left, sizes, i, chosen.slice(0, i));
    if (limit === undefined || !isBetter(limit, score)) return true;
    for (const set of subsets(left, size)) {
      for (const device of set) left[device] = (left[device] ?? 0) - size;
      chosen[i] = set;
      const finished = search(i + 1);
      for (const device of set) left[device] = (left[device] ?? 0) + size;
      if (!finished) return false;
    }
    return true;
  };
  return { best: search(0), sets };
}

/** What no completion can beat; undefined where there is none. */
function bound(
  left: readonly number[],
  sizes: readonly number[],
  from: number,
  chosen: readonly (readonly number[])[],
): Score | undefined {
  const rest = sizes.slice(from);
  const most = rest.map((size) => left.filter((space) => space >= size).length);
  let space = sum(left) - sum(rest);
  if (space < 0 || most.includes(0)) return undefined;
  let copies = sum(chosen.map((set) => set.length)) + rest.length;
  // Fractions of devices do for a bound: further copies of the smallest first, until all space is gone.
  for (let i = rest.length - 1; i >= 0; i--) {
    const size = rest[i] ?? 0;
    const further = Math.min((most[i] ?? 0) - 1, size === 0 ? Infinity : Math.floor(space / size));
    copies += further;
    space -= further * size;
  }
  return [copies, Math.min(...chosen.map((set) => set.length), ...most), Math.min(...left)];
}

/** Subsets of devices with room for the size, larger ones first; of devices with the same space left, the first. */
function subsets(left: readonly number[], size: number): number[][] {
  const classes = new Map<number, number[]>();
  left.forEach((space, device) => {
    if (space >= size) classes.set(space, [...(classes.get(space) ?? []), device]);
  });
  let found: number[][] = [[]];
  for (const [, alike] of [...classes].sort(([a], [b]) => b - a)) {
    found = found.flatMap((set) =>
      Array.from({ length: alike.length + 1 }, (_, k) => [...set, ...alike.slice(0, alike.length - k)]),
    );
  }
  return found.filter((set) => set.length > 0).sort((a, b) => b.length - a.length);
}

function scoreOf(sets: readonly (readonly number[])[], left: readonly number[]): Score {
  const lengths = sets.map((set) => set.length);
  return [sum(lengths), Math.min(...lengths), Math.min(...left)];
}

function isBetter(a: Score, b: Score): boolean {
  const i = a.findIndex((value, at) => value !== b[at]);
  return i !== -1 && (a[i] ?? 0) > (b[i] ?? 0);
}

function spaceLeft(
  free: readonly number[],
  sizes: readonly number[],
  sets: readonly (readonly number[])[],
): number[] {
  return free.map((space, device) => space - sum(sizes.filter((_, i) => sets[i]?.includes(device) === true)));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
