/**
 * Values that nobody knows before the resource is there that has them: in a plan stands in their place which they are, as in
 * `⟨arn of triton-dev-models-key⟩`. So a policy that names a key is shown and compared whole, but for that name.
 */

const form = /⟨(?:([^⟨⟩]*) of )?([^⟨⟩]*)⟩/g;

/** What of a resource, or of another stack, is meant. */
export function later(what: string, owner: string): string {
  return `⟨${what} of ${owner}⟩`;
}

/** Where not even that is known: a text made of such values, or a property that only the provider knows. */
export const laterValue = "⟨known on up⟩";

/** Whether a text is, or has in it, what is not known before. */
export function isLater(text: string): boolean {
  return text.search(form) !== -1;
}

/** What of whom a text has in it. */
export function latersIn(text: string): readonly Later[] {
  return [...text.matchAll(form)].flatMap(([, what, owner]) =>
    what === undefined || owner === undefined ? [] : [{ what, owner }],
  );
}

export interface Later {
  readonly what: string;
  /** Name of a resource, or of another stack. */
  readonly owner: string;
}
