import { markdownTable } from "../../markdown.ts";
import type { Rule } from "./rule.ts";

/** The text of docs/rules.md. */
export function rulesDocument(sections: readonly RuleSection[]): string {
  return [
    "# Rules",
    "",
    "Written by `npm run schema` from core/triton/rules. An **error** is what Triton refuses when it loads the model, or what",
    "makes it hang, crash or never do what the spec asks; nothing is deployed with one. **Advice** stops nothing; a spec",
    "silences it with a reason:",
    "",
    "```yaml",
    "silenced:",
    "  unbounded-queue: the clients keep to 64 calls at a time",
    "```",
    "",
    "Rules that hold for all releases from 24.10 on say no release. `npm run differential` compares them with the real server.",
    ...sections.flatMap(sectionLines),
    "",
  ].join("\n");
}

export interface RuleSection {
  readonly title: string;
  readonly rules: readonly Rule[];
}

function sectionLines({ title, rules }: RuleSection): string[] {
  const rows = rules.map(({ code, severity, about, source, since }) => {
    const release = since === undefined ? "" : ` From ${since} on.`;
    return [`\`${code}\``, severity, `${about}${release}`, source];
  });
  return ["", `## ${title}`, "", markdownTable(["rule", "kind", "what it asks", "source"], rows)];
}
