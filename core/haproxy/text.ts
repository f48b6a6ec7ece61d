/** Lines of haproxy.cfg. */

/** Words HAProxy takes on one line are few (64); ACLs of the same name add up over lines. */
const namesPerLine = 20;

export function section(head: string, lines: readonly string[]): string {
  return `${head}\n${lines.map((line) => `    ${line}\n`).join("")}`;
}

/** An ACL that holds where what is fetched is one of the words; no line where there is no word. */
export function acl(name: string, fetch: string, words: readonly string[]): string[] {
  const lines: string[] = [];
  for (let i = 0; i < words.length; i += namesPerLine) {
    const some = words.slice(i, i + namesPerLine);
    // `--` ends the options: a word may begin with a hyphen.
    const end = some.some((word) => word.startsWith("-")) ? "-- " : "";
    lines.push(`acl ${name} ${fetch} -m str ${end}${some.join(" ")}`);
  }
  return lines;
}
