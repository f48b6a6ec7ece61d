import type { JournalEntry, Verb } from "./account.ts";

/** What was done to an account, in order. */
export interface Deed {
  readonly verb?: Verb;
  /** Type, or how it begins: `aws:ec2/`. */
  readonly type?: string;
  readonly name?: RegExp;
}

export function deeds(
  journal: readonly JournalEntry[],
  { verb, type = "", name = /^/ }: Deed,
): JournalEntry[] {
  return journal.filter(
    (entry) =>
      (verb === undefined || entry.verb === verb) &&
      entry.type.startsWith(type) &&
      name.test(entry.name) &&
      entry.error === undefined,
  );
}

/** Whether there were both, and all of the first had ended before any of the others began. */
export function isBefore(journal: readonly JournalEntry[], first: Deed, then: Deed): boolean {
  const [earlier, later] = [deeds(journal, first), deeds(journal, then)];
  const ended = Math.max(...earlier.map((entry) => entry.ended ?? Infinity));
  return earlier.length > 0 && later.length > 0 && later.every(({ began }) => began > ended);
}

/** `verb type name` each, for what a test expects to see. */
export function summary(journal: readonly JournalEntry[]): string[] {
  return journal.map(
    ({ verb, type, name, error }) => `${verb} ${type} ${name}${error === undefined ? "" : `: ${error}`}`,
  );
}
