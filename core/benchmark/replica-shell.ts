/**
 * A replica's own pages, asked for from inside its container: no network policy, balancer or published port is between, and
 * nobody else reaches them by it. Bash speaks HTTP there, since NVIDIA's image has no curl. It runs on and is asked line by
 * line: to start a program in a container takes some hundred times as long as the answer, and would be measured with the rest.
 */

/**
 * For bash. On standard input a port and a path for each question; on standard output the whole answer, then a zero byte, which
 * no text has. Where nobody listens it is the zero byte alone. It ends where the input does: when who asks is gone, however.
 */
export const replicaScript = [
  "while read -r port path; do",
  `  (exec 3<> "/dev/tcp/127.0.0.1/$port" && printf 'GET %s HTTP/1.0\\r\\n\\r\\n' "$path" >&3 && cat <&3)`,
  "  printf '\\0'",
  "done",
].join("\n");

export function questionOf(port: number, path: string): string {
  return `${String(port)} ${path}\n`;
}

/** The answers that are whole, and what is there of the next. */
export function splitAnswers(text: string): { readonly whole: readonly string[]; readonly rest: string } {
  const parts = text.split("\0");
  return { whole: parts.slice(0, -1), rest: parts.at(-1) ?? "" };
}

/** The status of an answer and its body; undefined where it is none of HTTP. */
export function parseAnswer(text: string): { readonly status: number; readonly body: string } | undefined {
  const [, status, body] = /^HTTP\/1\.\d (\d{3})[^]*?\r\n\r\n([^]*)$/.exec(text) ?? [];
  return status === undefined || body === undefined ? undefined : { status: Number(status), body };
}
