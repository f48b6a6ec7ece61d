import { markdownTable } from "../markdown.ts";
import { environments } from "./environment.ts";
import type { PolicyRule } from "./rule.ts";
import type { PolicySection } from "./rules/index.ts";

/** The tables of docs/policies.md: every rule with its levels, its sources and what a policy config may set. */
export function policiesReference(sections: readonly PolicySection[]): string {
  return sections
    .map(({ title, rules }) =>
      [
        `### ${title}`,
        markdownTable(
          ["rule", "asks, because", "severity", ...environments, "elsewhere"],
          rules.map(({ id, title: asks, why, severity, levels, references }) => [
            `\`${id}\``,
            `${asks}. ${why}.`,
            severity,
            ...environments.map((environment) => signs[levels[environment]]),
            references.join(", "),
          ]),
        ),
        ...limitLines(rules),
      ].join("\n\n"),
    )
    .join("\n\n");
}

const signs = { disabled: "–", advisory: "warns", mandatory: "**refuses**", remediate: "mends" } as const;

function limitLines(rules: readonly PolicyRule[]): string[] {
  const lines = rules.flatMap(({ id, limits }) =>
    limits.map(({ name, about, defaults }) => {
      const texts = environments.map((environment) => JSON.stringify(defaults[environment]));
      const isSame = new Set(texts).size === 1;
      const shown = isSame
        ? (texts[0] ?? "")
        : environments.map((environment, i) => `${environment} ${texts[i] ?? ""}`).join(", ");
      return `- \`${id}.${name}\`: ${about}. Default: ${shown}`;
    }),
  );
  return lines.length === 0 ? [] : [lines.join("\n")];
}
