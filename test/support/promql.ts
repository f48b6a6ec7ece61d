import { parser } from "@prometheus-io/lezer-promql";
import type { SyntaxNode } from "@lezer/common";

/** PromQL as Prometheus' own web UI reads it: what a query selects, and by which labels it groups. */
export interface Query {
  readonly selectors: readonly Selector[];
  /** Labels of `by`, `without`, `on`, `ignoring`, `group_left` and `group_right`. */
  readonly groupings: readonly string[];
}

export interface Selector {
  readonly metric: string;
  readonly matchers: readonly Matcher[];
  /** The text of a range in brackets, and the function around it; undefined for an instant. */
  readonly range?: string;
  readonly inside?: string;
}

export interface Matcher {
  readonly label: string;
  readonly operator: string;
  readonly value: string;
}

/** Throws where the text is no PromQL, with the place. */
export function parseQuery(text: string): Query {
  const selectors: Selector[] = [];
  const groupings: string[] = [];
  const textOf = (node: SyntaxNode | null | undefined): string =>
    node === null || node === undefined ? "" : text.slice(node.from, node.to);
  parser.parse(text).iterate({
    enter: ({ type, node }) => {
      if (type.isError)
        throw new Error(
          `no PromQL at ${String(node.from)}: ${text.slice(node.from - 30, node.from)}⟨here⟩${text.slice(node.from, node.from + 30)}`,
        );
      if (type.name === "VectorSelector") selectors.push(selectorOf(node, textOf));
      if (type.name === "GroupingLabels")
        for (const label of node.getChildren("LabelName")) groupings.push(textOf(label));
    },
  });
  return { selectors, groupings };
}

function selectorOf(node: SyntaxNode, textOf: (node: SyntaxNode | null | undefined) => string): Selector {
  const matchers = (node.getChild("LabelMatchers")?.getChildren("UnquotedLabelMatcher") ?? []).map(
    (matcher) => ({
      label: textOf(matcher.getChild("LabelName")),
      operator: textOf(matcher.getChild("MatchOp")),
      value: textOf(matcher.getChild("StringLiteral")).slice(1, -1),
    }),
  );
  const metric = textOf(node.getChild("Identifier"));
  const matrix = node.parent?.name === "MatrixSelector" ? node.parent : undefined;
  const call = callAround(matrix);
  return {
    metric,
    matchers,
    ...(matrix === undefined ? {} : { range: textOf(matrix).replace(/^.*\[(.*)\]$/s, "$1") }),
    ...(call === undefined ? {} : { inside: textOf(call.getChild("FunctionIdentifier")) }),
  };
}

function callAround(node: SyntaxNode | undefined): SyntaxNode | undefined {
  let parent = node?.parent ?? undefined;
  while (parent !== undefined && parent.name !== "FunctionCall") parent = parent.parent ?? undefined;
  return parent;
}
