import yaml from "js-yaml";
import { deepest } from "./plain-data.ts";

/** What is wrong with a text as YAML. */
export interface YamlFlaw {
  readonly message: string;
  readonly hint: string;
  /** From 1, where one line is to blame. */
  readonly line?: number;
}

/** Characters of the largest file that is read, within some five seconds. */
export const longestText = 16 * 2 ** 20;

/**
 * The data of a YAML text: null, booleans, numbers, texts, lists and objects. This is YAML's core schema, so that a
 * date stays the text it is, with `<<` (merge keys) besides, which YAML files that repeat themselves rely on.
 */
export function readYaml(text: string): { readonly value: unknown } | { readonly flaw: YamlFlaw } {
  if (text.length > longestText) {
    const message = `this file is too large: ${String(text.length)} characters`;
    return { flaw: { message, hint: `keep it below ${String(longestText)}; data belongs into other files` } };
  }
  const undecoded = /[\0\uFFFD]/.exec(text);
  if (undecoded !== null) {
    const line = text.slice(0, undecoded.index).split("\n").length;
    return { flaw: { message: "this is no UTF-8 text", hint: "save the file as UTF-8", line } };
  }
  try {
    return { value: yaml.load(text, { schema }) ?? null };
  } catch (error) {
    if (!(error instanceof yaml.YAMLException)) throw error;
    return { flaw: syntaxFlaw(error.reason, error.mark) };
  }
}

const merge = new yaml.Type("tag:yaml.org,2002:merge", { kind: "scalar", resolve: (key) => key === "<<" });
const schema = yaml.CORE_SCHEMA.extend({ implicit: [merge] });

/** js-yaml's types promise a mark; a text of several documents is refused without one. */
function syntaxFlaw(reason: string, mark: yaml.Mark | undefined): YamlFlaw {
  const known = mends.find(({ when }) => when.test(reason));
  const said = known?.said ?? (reason.length > 120 ? `${reason.slice(0, 119)}…` : reason);
  const hint = known?.hint ?? "mend the syntax of this line";
  return { message: `this is no YAML: ${said}`, hint, ...(mark && { line: mark.line + 1 }) };
}

interface Mend {
  readonly when: RegExp;
  /** Instead of js-yaml's own words. */
  readonly said?: string;
  readonly hint: string;
}

/** What js-yaml's reasons (lib/loader.js) ask of a user. */
const mends: readonly Mend[] = [
  { when: /^expected a single document/, hint: "write one document" },
  { when: /^duplicated mapping key/, said: "this key is there twice", hint: "keep one of the two" },
  { when: /^tab characters/, hint: "indent with spaces" },
  {
    when: /^nesting exceeded/,
    said: `the values are nested deeper than ${String(deepest)} levels`,
    hint: "nest them less",
  },
  {
    when: /^(bad indentation|end of the stream or a document separator)/,
    hint: "line up the keys of one object, and put text that holds `: ` in quotes",
  },
  { when: /^unexpected end of the stream within a (double|single) quoted/, hint: "close the quotes" },
  {
    when: /^(missed comma|unexpected end of the stream within a flow)/,
    hint: "separate by commas, and close the bracket",
  },
  {
    when: /^(unidentified alias|name of an (alias|anchor))/,
    hint: "put text that begins with * or & in quotes",
  },
  { when: /^merge keys exceeded/, said: "too many keys are merged by <<", hint: "write them out" },
  { when: /merge/, hint: "give << one object, or a short list of objects" },
  { when: /\btag\b/, hint: "leave the tag out; put text that begins with ! in quotes" },
];
