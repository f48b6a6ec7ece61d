import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { main, planBenchmark } from "../../commands/bench-cluster.ts";
import type { Account } from "../../commands/ephemeral/account.ts";
import type { Backend, Outcome } from "../../commands/ephemeral/backend.ts";
import { sweep, type SweepOptions, type SweptStack } from "../../commands/ephemeral/sweep.ts";
import { exitCodeOf, formatSwept } from "../../commands/reap.ts";
import { identify, ownTags, type Found, type StateResource } from "../../core/ephemeral/leftovers.ts";
import {
  benchmarkTag,
  claimTag,
  keepTag,
  stackOf,
  stackTagsOf,
  type Benchmark,
} from "../../core/ephemeral/stack.ts";
import { runCommand } from "../support/command.ts";

/** Sweeps over a backend and an account of plain values, which have what faults a test gives them. */

const hour = 3_600_000;
const ok: Outcome = { ok: true };
const lockedBy = (since: string): Outcome => ({
  ok: false,
  text: "error: the stack is currently locked by 1 lock(s)",
  locks: [{ holder: "ci@elsewhere (pid 4711)", since }],
});

interface FakeStack {
  tags: Record<string, string>;
  resources: StateResource[];
  /** Outcomes of the next destroys; then they come out well. */
  destroys?: Outcome[];
  lock?: string;
}

class FakeBackend implements Backend {
  readonly stacks = new Map<string, FakeStack>();
  readonly calls: string[] = [];
  readonly processes: readonly number[] = [];
  /** Awaited in each operation: others may come between. */
  between: () => Promise<void> = () => Promise.resolve();

  add({ stack, ...rest }: Benchmark, more: Partial<FakeStack> = {}): void {
    const tags = { ...stackTagsOf({ stack, ...rest }), ...more.tags };
    this.stacks.set(stack, { resources: [{ id: `vpc-of-${stack}` }], ...more, tags });
  }

  tagged(tag: string) {
    const all = [...this.stacks].map(([stack, { tags }]) => ({ stack, tags: { ...tags } }));
    return Promise.resolve(all.filter(({ tags }) => tags[tag] !== undefined));
  }
  async tags(stack: string) {
    await this.between();
    return { ...this.#of(stack).tags };
  }
  async setTag(stack: string, key: string, value: string) {
    await this.between();
    this.#of(stack).tags[key] = value;
  }
  create() {
    return Promise.reject(new Error("a sweep makes nothing"));
  }
  up() {
    return Promise.reject(new Error("a sweep makes nothing"));
  }
  async refresh(stack: string) {
    this.calls.push(`refresh ${stack}`);
    // What is said of a lock is old by the time that it is read.
    const locked = this.#lockOf(stack);
    await this.between();
    return locked ?? ok;
  }
  async destroy(stack: string) {
    const locked = this.#lockOf(stack);
    if (locked !== undefined) return locked;
    this.calls.push(`destroy ${stack}`);
    const there = this.#of(stack);
    // Held while it lasts, as the engine does.
    there.lock = new Date().toISOString();
    await this.between();
    delete there.lock;
    const [outcome = ok, ...later] = there.destroys ?? [];
    there.destroys = later;
    if (outcome.ok) there.resources = [];
    return outcome;
  }
  async cancel(stack: string) {
    this.calls.push(`cancel ${stack}`);
    await this.between();
    delete this.#of(stack).lock;
  }
  resources(stack: string) {
    return Promise.resolve(this.#of(stack).resources);
  }
  allResources() {
    return Promise.resolve([...this.stacks.values()].flatMap(({ resources }) => resources));
  }
  remove(stack: string) {
    if (this.#of(stack).resources.length > 0)
      return Promise.reject(new Error(`${stack} still has resources`));
    this.stacks.delete(stack);
    return Promise.resolve();
  }

  #of(stack: string): FakeStack {
    const found = this.stacks.get(stack);
    if (found === undefined) throw new Error(`no stack named ${stack}`);
    return found;
  }
  #lockOf(stack: string): Outcome | undefined {
    const { lock } = this.#of(stack);
    return lock === undefined ? undefined : lockedBy(lock);
  }
}

class FakeAccount implements Account {
  readonly removed: string[] = [];
  /** Refuses to let these go. */
  readonly stuck = new Set<string>();
  constructor(
    private readonly time: () => number,
    readonly found: Found[] = [],
  ) {}
  now() {
    return Promise.resolve(this.time());
  }
  find(tags: Readonly<Record<string, string>>) {
    const carries = (one: Found): boolean =>
      Object.entries(tags).every(([key, value]) => one.tags[key] === value);
    return Promise.resolve(this.found.filter(carries));
  }
  remove({ arn }: Found) {
    if (this.stuck.has(arn)) return Promise.reject(new Error("api error DependencyViolation: in use"));
    this.removed.push(arn);
    this.found.splice(0, this.found.length, ...this.found.filter((one) => one.arn !== arn));
    return Promise.resolve();
  }
}

function benchmark(number: number, age: number): Benchmark {
  const id = `b${String(number).padStart(7, "0")}`;
  const createdAt = Date.now() - age;
  return {
    ...{ id, stack: stackOf(id), owner: "ml-platform", account: "111122223333", region: "us-east-1" },
    ...{ name: `triton-${stackOf(id)}`, pricePerHour: 20 },
    createdAt: new Date(createdAt).toISOString(),
    expiresAt: new Date(createdAt + 2 * hour).toISOString(),
  };
}

const found = (arn: string, tags: Readonly<Record<string, string>>): Found => {
  const known = identify(arn);
  if (known === undefined) throw new Error(arn);
  return { ...known, tags };
};

const options: SweepOptions = {
  ...{ destroys: true, pause: () => Promise.resolve(), say: () => undefined },
};

function sweepWith(
  backend: Backend,
  account: Account,
  more: Partial<SweepOptions> = {},
): Promise<readonly SweptStack[]> {
  return sweep(backend, () => account, { ...options, ...more });
}

const stateOf = (swept: readonly SweptStack[]): string | undefined => swept[0]?.state;

describe("the sweep", () => {
  it("takes down the forgotten ones of a hundred, and touches no other", async () => {
    const backend = new FakeBackend();
    for (let i = 0; i < 100; i += 1) backend.add(benchmark(i, i % 2 === 0 ? hour : 30 * hour));
    backend.stacks.set("prod", { tags: {}, resources: [{ id: "vpc-prod" }] });
    const account = new FakeAccount(Date.now);
    const swept = await sweepWith(backend, account);
    expect(swept.filter(({ state }) => state === "gone")).toHaveLength(50);
    expect(swept.filter(({ state }) => state === "alive")).toHaveLength(50);
    expect(backend.stacks.size).toBe(51);
    expect(backend.stacks.has("prod")).toBe(true);
    expect(exitCodeOf(swept)).toBe(0);
  });

  it("touches nothing in a dry run, and says what it would do", async () => {
    const backend = new FakeBackend();
    backend.add(benchmark(1, 30 * hour));
    const swept = await sweepWith(backend, new FakeAccount(Date.now), { destroys: false });
    expect(swept).toMatchObject([{ state: "expired" }]);
    expect(swept[0]?.spent).toBeCloseTo(600, 0);
    expect(backend.calls).toEqual([]);
    expect(backend.stacks.get(stackOf("b0000001"))?.tags).not.toHaveProperty([claimTag]);
    expect(exitCodeOf(swept)).toBe(2);
    expect(formatSwept(swept)).toContain("--yes");
  });

  it("goes by AWS' clock where this machine's is wrong", async () => {
    const backend = new FakeBackend();
    backend.add(benchmark(1, 30 * hour));
    expect(stateOf(await sweepWith(backend, new FakeAccount(() => Date.now() - 29 * hour)))).toBe("alive");
    const young = new FakeBackend();
    young.add(benchmark(1, hour));
    expect(stateOf(await sweepWith(young, new FakeAccount(() => Date.now() + 29 * hour)))).toBe("gone");
  });

  it("destroys nothing that AWS is not asked about", async () => {
    const backend = new FakeBackend();
    backend.add(benchmark(1, 30 * hour));
    const account = new FakeAccount(() => {
      throw new Error("ExpiredToken: The security token is expired");
    });
    account.now = () => Promise.reject(new Error("ExpiredToken: The security token is expired"));
    const swept = await sweepWith(backend, account);
    expect(swept).toMatchObject([{ state: "left", reason: "ExpiredToken: The security token is expired" }]);
    expect(backend.calls).toEqual([]);
    expect(exitCodeOf(swept)).toBe(1);
  });

  it("leaves alone what is protected, kept, or not what it says", async () => {
    const backend = new FakeBackend();
    backend.add(benchmark(1, 30 * hour), { resources: [{ id: "vpc-1", protect: true }] });
    backend.add(benchmark(2, 30 * hour), { tags: { [keepTag]: "until Friday" } });
    backend.add(benchmark(3, 30 * hour), { tags: { [benchmarkTag]: "another1" } });
    const swept = await sweepWith(backend, new FakeAccount(Date.now));
    expect(swept.map(({ state }) => state)).toEqual(["kept", "kept", "unclear"]);
    expect(backend.calls).toEqual([]);
  });

  it("respects a lock until no operation can be that old, then breaks it, looks and destroys", async () => {
    const backend = new FakeBackend();
    const { stack } = benchmark(1, 30 * hour);
    backend.add(benchmark(1, 30 * hour), { lock: new Date(Date.now() - hour).toISOString() });
    expect(stateOf(await sweepWith(backend, new FakeAccount(Date.now)))).toBe("locked");
    expect(backend.calls).toEqual([`refresh ${stack}`]);
    backend.add(benchmark(1, 30 * hour), { lock: new Date(Date.now() - 4 * hour).toISOString() });
    backend.calls.length = 0;
    expect(stateOf(await sweepWith(backend, new FakeAccount(Date.now)))).toBe("gone");
    expect(backend.calls).toEqual([
      `refresh ${stack}`,
      `cancel ${stack}`,
      `refresh ${stack}`,
      `destroy ${stack}`,
    ]);
  });

  it("is safe to run twice at once: each stack is destroyed by one, and no fresh lock is broken", async () => {
    const backend = new FakeBackend();
    for (let i = 0; i < 10; i += 1)
      backend.add(benchmark(i, 30 * hour), { lock: new Date(Date.now() - 4 * hour).toISOString() });
    // In step: both look before either has written its claim.
    backend.between = () => new Promise((resolve) => setTimeout(resolve, 5));
    const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 30));
    const account = new FakeAccount(Date.now);
    const both = await Promise.all([
      sweepWith(backend, account, { pause }),
      sweepWith(backend, account, { pause }),
    ]);
    expect(backend.stacks.size).toBe(0);
    for (let i = 0; i < 10; i += 1) {
      const { stack } = benchmark(i, 0);
      expect(backend.calls.filter((call) => call === `destroy ${stack}`)).toHaveLength(1);
      expect(backend.calls.filter((call) => call === `cancel ${stack}`)).toHaveLength(1);
    }
    expect(both.flat().filter(({ state }) => state === "gone")).toHaveLength(10);
  });

  it("stands back from a claim of another sweep, until that is too old to be true", async () => {
    const backend = new FakeBackend();
    const claimed = (age: number) => ({ [claimTag]: `other ${new Date(Date.now() - age).toISOString()}` });
    backend.add(benchmark(1, 30 * hour), { tags: claimed(hour) });
    expect(stateOf(await sweepWith(backend, new FakeAccount(Date.now)))).toBe("locked");
    backend.add(benchmark(1, 30 * hour), { tags: claimed(4 * hour) });
    expect(stateOf(await sweepWith(backend, new FakeAccount(Date.now)))).toBe("gone");
  });

  it("tries again so often, and lets what failed keep no other", async () => {
    const backend = new FakeBackend();
    const broken: Outcome = { ok: false, text: "error: deleting: DependencyViolation", locks: [] };
    backend.add(benchmark(1, 30 * hour), { destroys: Array<Outcome>(9).fill(broken) });
    backend.add(benchmark(2, 30 * hour), { destroys: Array<Outcome>(3).fill(broken) });
    const swept = await sweepWith(backend, new FakeAccount(Date.now));
    expect(swept.map(({ state }) => state)).toEqual(["left", "gone"]);
    expect(swept[0]?.remaining).toEqual([`vpc-of-${stackOf("b0000001")}`]);
    expect(backend.calls.filter((call) => call.startsWith("destroy"))).toHaveLength(8);
    // The next sweep need not wait for this one's claim.
    expect(backend.stacks.get(stackOf("b0000001"))?.tags[claimTag]).toBe("none");
  });

  it("names what AWS does not let go, and keeps the stack for the next time", async () => {
    const backend = new FakeBackend();
    const made = benchmark(1, 30 * hour);
    backend.add(made);
    const own = ownTags(made);
    const balancer = "arn:aws:elasticloadbalancing:us-east-1:111122223333:loadbalancer/net/k8s/1";
    const volume = "arn:aws:ec2:us-east-1:111122223333:volume/vol-1";
    const others = "arn:aws:ec2:us-east-1:111122223333:volume/vol-2";
    const account = new FakeAccount(Date.now, [
      ...[found(volume, own), found(balancer, own), found(others, { ...own, owner: "others" })],
    ]);
    account.stuck.add(balancer);
    const swept = await sweepWith(backend, account);
    expect(swept).toMatchObject([{ state: "left", remaining: [`loadbalancer net/k8s/1 (${balancer})`] }]);
    expect(swept[0]?.reason).toContain("DependencyViolation");
    expect(account.removed).toEqual([volume]);
    expect(formatSwept(swept)).toContain(balancer);
    account.stuck.clear();
    expect(stateOf(await sweepWith(backend, account))).toBe("gone");
    expect(account.found.map(({ arn }) => arn)).toEqual([others]);
  });

  it("takes one down at once where it is named", async () => {
    const backend = new FakeBackend();
    backend.add(benchmark(1, hour));
    backend.add(benchmark(2, 30 * hour));
    const swept = await sweepWith(backend, new FakeAccount(Date.now), { only: stackOf("b0000001") });
    expect(swept.map(({ stack, state }) => `${stack} ${state}`)).toEqual([`${stackOf("b0000001")} gone`]);
    expect([...backend.stacks.keys()]).toEqual([stackOf("b0000002")]);
  });
});

describe("what a benchmark cluster will be", () => {
  const asked = { template: "bench", id: "abcdefg1", owner: "ml-platform", lifetime: 2 * hour, createdAt: 0 };

  it("is the template's stack under its own name, priced for its whole time", () => {
    const { benchmark: made, spend } = planBenchmark({ ...asked, ceiling: 200 });
    expect(made).toMatchObject({
      ...{ stack: "bench-abcdefg1", name: "triton-bench-abcdefg1", account: "111122223333" },
      ...{ createdAt: "1970-01-01T00:00:00.000Z", expiresAt: "1970-01-01T02:00:00.000Z" },
    });
    expect(spend.expected).toBeCloseTo(2 * spend.perHour);
    expect(spend.perHour).toBeGreaterThan(20);
  });

  it("is refused above its ceiling, and with an owner that AWS takes for no tag", () => {
    expect(() => planBenchmark({ ...asked, ceiling: 40 })).toThrow(/more than \$40\.00/);
    expect(() => planBenchmark({ ...asked, ceiling: 200, owner: "a;b" })).toThrow(/eks\.tags\.owner/);
    expect(() => planBenchmark({ ...asked, ceiling: 200, template: "onprem" })).toThrow(/kubernetes/);
  });
});

describe("npm run bench:cluster", () => {
  let folder: string;
  const file = (name: string): string => path.join(folder, name);
  const right = ["--ttl", "2h", "--owner", "ml-platform"];
  const bench = (...args: string[]) => runCommand(main, ...args);

  beforeAll(() => {
    folder = mkdtempSync(path.join(tmpdir(), "tp-request-"));
    writeFileSync(file("key"), "sk-planted-in-a-test\n");
    writeFileSync(file("two-keys"), "sk-planted-in-a-test\nand another");
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  it("says what it would cost, and makes nothing", async () => {
    const keep = ["--keep-results", file("new/results"), "--keep-results", "s3://example-benchmarks/triton"];
    const load = ["--", "--model", "text-labels", "--concurrency", "1,8"];
    const { code, stdout, stderr } = await bench(...right, ...keep, "--dry-run", ...load);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/^bench-\w{8} in 111122223333, us-east-1, for 2h: \$.* an hour at most/m);
    expect(existsSync(file("new"))).toBe(false);
  });

  it("says all that is wrong with what it is asked for at once, before anything is made", async () => {
    const { code, stderr, stdout } = await bench(
      ...["--ttl", "73h", "--owner", "a;b", "--max-cost", "much", "--template", "stacks/Pulumi.bench.yaml"],
      ...["--keep-results", "s3://", "--keep-results", file("key"), "--keep-results", file("key/deeper")],
      ...["--holysheep-key-file", file("two-keys")],
      ...["--", "--concurency", "8"],
    );
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    for (const part of [
      /--ttl: `73h` is longer than a benchmark lasts\n {4}→ write it like 2h: 45m to 72h/,
      /--owner: `a;b`: AWS takes this for no tag\n {4}→ write letters, digits/,
      /--max-cost: `much` is no amount of dollars/,
      /--template: `stacks\/Pulumi\.bench\.yaml` is a file's path/,
      /--keep-results: `s3:\/\/` names no bucket\n {4}→ write it like s3:\/\//,
      /(--keep-results: \S+key is a file, and no folder[^]*){2}/,
      /--holysheep-key-file: \S+two-keys holds more than one API key/,
      /npm run bench\n {2}Unknown option '--concurency'/,
    ])
      expect(stderr).toMatch(part);
    expect(stderr).not.toContain("sk-planted");
    expect((await bench()).stderr).toMatch(/--owner: missing[^]*--ttl: missing/);
  });

  it("refuses what npm run bench would refuse in the cluster", async () => {
    const refusals: readonly (readonly [readonly string[], RegExp])[] = [
      [["--concurrency", "0:4", "--seconds", "x"], /2 problems:[^]*--concurrency: [^]*--seconds: /],
      [["--model", "text-label"], /text-label`[^]*did you mean `text-labels`/],
      [["--model", "llm-backend"], /every call of `llm-backend` costs money[^]*--allow-cost/],
      [["--cpu", "no"], /--cpu no: this is no number of cores/],
      [["--api-key-file", file("nowhere")], /There is no file \S+nowhere with an API key/],
      [["--target", "prod", "--out=x"], /--target, --out: this is bench:cluster's to say/],
      [["fast"], /Unexpected argument 'fast'/],
    ];
    for (const [args, words] of refusals) {
      const { code, stdout, stderr } = await bench(...right, "--dry-run", "--", ...args);
      expect({ code, stdout }, args.join(" ")).toEqual({ code: 1, stdout: "" });
      expect(stderr).toMatch(words);
    }
  });

  it("names the templates that there are, and wants the key that their models call with", async () => {
    expect((await bench(...right, "--template", "bensh")).stderr).toMatch(
      /There is no stack `bensh`: Pulumi\.bensh\.yaml is not there\n {4}→ did you mean `bench`/,
    );
    expect((await bench(...right, "--template", "onprem")).stderr).toMatch(/is of the target kubernetes/);
    const { code, stderr } = await bench(...right);
    expect(code).toBe(1);
    expect(stderr).toMatch(/--holysheep-key-file: missing, and models call HolySheep's API/);
  });
});
