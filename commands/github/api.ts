import * as z from "zod";
import { UserError } from "../setup/user-error.ts";

/** A repository at GitHub's REST API, as far as comments need it. Source: docs.github.com/rest, version 2022-11-28. */
export interface GitHub {
  /** Without a slash at its end; a GitHub of one's own has another. */
  readonly api: string;
  /** `owner/name` */
  readonly repository: string;
  readonly token: string;
  /** Waits between two tries; a test has no time for it. */
  readonly wait: (milliseconds: number) => Promise<unknown>;
}

export type Method = "GET" | "POST" | "PATCH";

interface Answer {
  readonly body: unknown;
  /** URL of the next page; undefined on the last. */
  readonly next?: string;
}

/** Pages that are looked at: 100 things each. */
const mostPages = 100;
const tries = 4;

/** All things of a list, page by page. */
export async function listAll<T>(github: GitHub, place: string, item: z.ZodType<T>): Promise<readonly T[]> {
  const all: T[] = [];
  const separator = place.includes("?") ? "&" : "?";
  let url: string | undefined = urlOf(github, `${place}${separator}per_page=100`);
  for (let page = 0; url !== undefined; page++) {
    if (page === mostPages)
      throw new UserError(
        `${place} has more than ${String(mostPages)} pages`,
        "close what is old; no more are looked at",
      );
    const answer: Answer = await call(github, "GET", url);
    all.push(...z.array(item).parse(answer.body));
    url = answer.next;
  }
  return all;
}

export async function send(
  github: GitHub,
  method: "POST" | "PATCH",
  place: string,
  body: object,
): Promise<void> {
  await call(github, method, urlOf(github, place), body);
}

function urlOf({ api, repository }: GitHub, place: string): string {
  return `${api}/repos/${repository}/${place}`;
}

/**
 * One call, again after a moment where the server or the network failed, or asks to wait. A POST that may have been done
 * is not sent again: it would be a second comment.
 */
async function call(github: GitHub, method: Method, url: string, body?: object): Promise<Answer> {
  for (let attempt = 1; ; attempt++) {
    const answer = await once(github, method, url, body);
    if ("body" in answer) return answer;
    const { failure, after, isDone } = answer;
    if (attempt === tries || after === undefined || (isDone && method === "POST"))
      throw new UserError(
        `GitHub did not take ${method} ${new URL(url).pathname}: ${failure}`,
        hintOf(failure),
      );
    await github.wait(Math.max(after, 1_000 * 2 ** (attempt - 1)));
  }
}

interface Failure {
  readonly failure: string;
  /** Milliseconds after which another try makes sense; undefined where none does. */
  readonly after?: number;
  /** Whether it may have been done all the same. */
  readonly isDone: boolean;
}

async function once(
  { token, api }: GitHub,
  method: Method,
  url: string,
  body?: object,
): Promise<Answer | Failure> {
  // A next page elsewhere would get the token.
  if (new URL(url).origin !== new URL(api).origin)
    return { failure: `${url} is not at ${api}`, isDone: false };
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, {
      method,
      headers: {
        accept: "application/vnd.github+json",
        authorization: `Bearer ${token}`,
        "x-github-api-version": "2022-11-28",
        "user-agent": "triton-platform",
      },
      signal: AbortSignal.timeout(30_000),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    text = await response.text();
  } catch (error) {
    const reason = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    return { failure: reason instanceof Error ? reason.message : String(reason), after: 0, isDone: true };
  }
  if (response.ok) {
    const next = /<([^>]+)>;\s*rel="next"/.exec(response.headers.get("link") ?? "")?.[1];
    return { body: text === "" ? undefined : JSON.parse(text), ...(next === undefined ? {} : { next }) };
  }
  const failure = `HTTP ${String(response.status)}: ${text.slice(0, 300)}`;
  const asked = response.headers.get("retry-after");
  // Its limits come as 429, and as 403 with a time to wait.
  if (response.status === 429 || (response.status === 403 && asked !== null))
    return { failure, after: Math.min(60_000, Number(asked ?? 1) * 1_000 || 1_000), isDone: false };
  return response.status >= 500 ? { failure, after: 0, isDone: true } : { failure, isDone: false };
}

function hintOf(failure: string): string {
  return /HTTP 40[13]/.test(failure)
    ? "the job's token needs `pull-requests: write`"
    : "run the job again; githubstatus.com says whether GitHub is well";
}
