import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, rmdirSync, writeFileSync } from "node:fs";
import { isRecord, type Properties } from "./values.ts";

/** A simulated AWS account: what is in it, what was done to it and what is to fail next. */

export interface AccountSettings {
  /** The account of whatever credentials there are, and who they are. */
  readonly id: string;
  readonly callerArn: string;
  /** By region. */
  readonly zones: Readonly<Record<string, readonly string[]>>;
  /** Instance types by zone; a zone that is left out has all. */
  readonly offerings: Readonly<Record<string, readonly string[]>>;
  /** By quota code, as in L-417A185B. */
  readonly quotas: Readonly<Record<string, number>>;
  /** Hosted zones of Route 53 that are there, by id: their domain. */
  readonly hostedZones: Readonly<Record<string, string>>;
  /** Capacity reservations and blocks that are there, by id: their zone and type. */
  readonly reservations: Readonly<Record<string, { readonly zone: string; readonly instanceType: string }>>;
  /** How many objects buckets have, and images repositories, by name; 0 where left out. */
  readonly objects: Readonly<Record<string, number>>;
  /** Names of buckets that other accounts have: bucket names are everybody's. */
  readonly takenBuckets: readonly string[];
  /** What EKS clusters hand out as their API server. */
  readonly controlPlane: { readonly endpoint: string; readonly certificateAuthority: string };
  /**
   * Milliseconds until an operation is done, by verb and type, as in `delete aws:eks/cluster:Cluster`; the others take none.
   * What should have waited for it, or outlived it, is found out.
   */
  readonly delays: Readonly<Record<string, number>>;
  /** Milliseconds until the provider gives up on what still hangs together; in truth it is 5 to 20 minutes. */
  readonly patience: number;
}

export type Verb = "create" | "update" | "delete";

export interface Stored {
  readonly type: string;
  readonly id: string;
  /** In the program; of what AWS made itself, who it is for. */
  readonly name: string;
  readonly properties: Properties;
}

export interface JournalEntry {
  readonly verb: Verb;
  readonly type: string;
  readonly name: string;
  readonly id: string;
  /** Places in one sequence of all beginnings and ends. */
  readonly began: number;
  readonly ended?: number;
  readonly error?: string;
}

export interface Fault {
  readonly verb: Verb;
  readonly type: string;
  /** Every one of the type where left out. */
  readonly name?: string;
  readonly message: string;
  readonly times: number;
  /** Whether it is there all the same, half made, as a node group without capacity is. */
  readonly leavesRemains?: boolean;
}

interface State {
  settings: AccountSettings;
  clock: number;
  counter: number;
  resources: Stored[];
  journal: JournalEntry[];
  faults: Fault[];
}

/** An account, as one look at its file sees it. */
export class Account {
  readonly #state: State;

  constructor(state: State) {
    this.#state = state;
  }

  get settings(): AccountSettings {
    return this.#state.settings;
  }

  get resources(): readonly Stored[] {
    return this.#state.resources;
  }

  get journal(): readonly JournalEntry[] {
    return this.#state.journal;
  }

  all(type: string): readonly Stored[] {
    return this.#state.resources.filter((resource) => resource.type === type);
  }

  find(type: string, id: string): Stored | undefined {
    return this.#state.resources.find((resource) => resource.type === type && resource.id === id);
  }

  put(resource: Stored): void {
    const place = this.#state.resources.findIndex(
      ({ type, id }) => type === resource.type && id === resource.id,
    );
    if (place === -1) this.#state.resources.push(resource);
    else this.#state.resources[place] = resource;
  }

  remove(type: string, id: string): void {
    this.#state.resources = this.#state.resources.filter((other) => other.type !== type || other.id !== id);
  }

  /** Hexadecimal digits that nothing else in this account has. */
  hex(digits: number): string {
    this.#state.counter += 1;
    const seed = `${this.#state.settings.id}/${String(this.#state.counter)}`;
    return createHash("sha256").update(seed).digest("hex").slice(0, digits);
  }

  /** Notes the beginning of something; `end` is told its number. */
  begin(entry: Pick<JournalEntry, "verb" | "type" | "name" | "id">): number {
    const began = this.#tick();
    this.#state.journal.push({ ...entry, began });
    return began;
  }

  end(began: number, outcome: { readonly id?: string; readonly error?: string } = {}): void {
    const ended = this.#tick();
    this.#state.journal = this.#state.journal.map((entry) =>
      entry.began === began ? { ...entry, ...outcome, ended } : entry,
    );
  }

  /** The fault that is meant for this operation, which is one time less to come. */
  takeFault(verb: Verb, type: string, name: string): Fault | undefined {
    const { faults } = this.#state;
    const fault = faults.find(
      (one) => one.verb === verb && one.type === type && (one.name ?? name) === name && one.times > 0,
    );
    if (fault !== undefined)
      this.#state.faults = faults.map((one) => (one === fault ? { ...one, times: one.times - 1 } : one));
    return fault;
  }

  fail(fault: Fault): void {
    this.#state.faults.push(fault);
  }

  configure(settings: Partial<AccountSettings>): void {
    this.#state.settings = { ...this.#state.settings, ...settings };
  }

  #tick(): number {
    this.#state.clock += 1;
    return this.#state.clock;
  }
}

export function createAccountFile(file: string, settings: AccountSettings): void {
  const state: State = { settings, clock: 0, counter: 0, resources: [], journal: [], faults: [] };
  writeFileSync(file, JSON.stringify(state));
}

/** One change of the account, whole or not at all; several processes may be at it. */
export function transact<T>(file: string, change: (account: Account) => T): T {
  lock(file);
  try {
    const state = read(file);
    const result = change(new Account(state));
    writeFileSync(`${file}.new`, JSON.stringify(state));
    renameSync(`${file}.new`, file);
    return result;
  } finally {
    rmdirSync(lockOf(file));
  }
}

/** The account as it is. */
export function look(file: string): Account {
  return new Account(read(file));
}

function read(file: string): State {
  const state: unknown = JSON.parse(readFileSync(file, "utf8"));
  if (!isState(state)) throw new Error(`${file} is no simulated account`);
  return state;
}

function isState(value: unknown): value is State {
  return isRecord(value) && isRecord(value.settings) && Array.isArray(value.resources);
}

function lockOf(file: string): string {
  return `${file}.lock`;
}

/** A folder is made by one process only. */
function lock(file: string): void {
  const deadline = Date.now() + 20_000;
  for (;;) {
    try {
      mkdirSync(lockOf(file));
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
    }
  }
}
