import type { Found } from "../../core/ephemeral/leftovers.ts";

/** An AWS account and region, as far as finding and deleting what a stack left behind needs it. */
export interface Account {
  /**
   * Whose credentials these are, and what AWS' clock says: milliseconds since 1970. Throws where AWS takes them no more,
   * or they are of another account than the one that was meant.
   */
  now(): Promise<number>;
  /** All that is there and carries all of these tags. `name` is the beginning of its names, for what tags do not find. */
  find(tags: Readonly<Record<string, string>>, name: string): Promise<readonly Found[]>;
  /** Has AWS begin to delete one; what is gone already is no error. Throws AWS' own words. */
  remove(found: Found): Promise<void>;
}

export interface AccountPlace {
  readonly account: string;
  readonly region: string;
}

export type OpenAccount = (place: AccountPlace) => Account;
