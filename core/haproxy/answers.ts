/** What the balancer answers by itself, in the language of the caller. */

/** Triton's JSON for HTTP, a gRPC status for gRPC, without which a client sees only "unknown". */
export type Language = "json" | "grpc";

export interface Answer {
  /** Of HTTP. */
  readonly status: number;
  /** Of gRPC, a number of google.rpc.Code. */
  readonly code: number;
  readonly text: string;
  /** Further headers, by name. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** A rule that answers in the server's place where a condition holds. */
export function answer(
  language: Language,
  { status, code, text, headers = {} }: Answer,
  condition: string,
): string {
  const more = Object.entries(headers)
    .map(([name, value]) => ` hdr ${name} "${value}"`)
    .join("");
  return language === "json"
    ? `http-request return status ${String(status)} content-type application/json${more} string '{"error":"${text}"}' if ${condition}`
    : `http-request return status 200 hdr grpc-status ${String(code)} hdr grpc-message "${text}"${more} if ${condition}`;
}

/** Errors of the way to a server, those of the backends too: 14 is UNAVAILABLE, 4 DEADLINE_EXCEEDED. */
export function errorPages(language: Language): string[] {
  const pages = [
    [502, "the server broke the connection", 14],
    [503, "no replica of this server is ready", 14],
    [504, "the server did not answer in time", 4],
  ] as const;
  return pages.map(([status, text, code]) =>
    language === "json"
      ? `http-error status ${String(status)} content-type application/json string '{"error":"${text}"}'`
      : `http-error status ${String(status)} hdr grpc-status ${String(code)} hdr grpc-message "${text}"`,
  );
}
