import * as z from "zod";
import { UserError } from "../setup/user-error.ts";
import { listAll, send, type GitHub } from "./api.ts";

const commentSchema = z.object({
  id: z.int(),
  body: z.string().nullable().default(""),
  user: z.object({ login: z.string() }).nullable(),
});

/** One comment for each marker: the one that is there is edited, else one is made. */
export async function writeComment(
  github: GitHub,
  pull: number,
  /** Begins the comment. */
  marker: string,
  body: string,
  /** Whose comments are edited: others may have the marker in theirs. */
  author: string,
): Promise<"created" | "edited" | "unchanged"> {
  const comments = await listAll(github, `issues/${String(pull)}/comments`, commentSchema);
  const own = comments.find(
    (comment) => comment.user?.login === author && comment.body?.startsWith(marker) === true,
  );
  if (own === undefined) {
    await send(github, "POST", `issues/${String(pull)}/comments`, { body });
    return "created";
  }
  // GitHub gives lines back as it likes.
  if (own.body?.replaceAll("\r\n", "\n").trim() === body.trim()) return "unchanged";
  await send(github, "PATCH", `issues/comments/${String(own.id)}`, { body });
  return "edited";
}

const pullSchema = z.object({
  number: z.int(),
  state: z.string(),
  head: z.object({ sha: z.string() }),
});

/**
 * The open pull request whose newest commit is this one. A run for a fork does not know it, and what the run itself says
 * is not to be believed.
 */
export async function pullOf(github: GitHub, head: string, sha: string): Promise<number> {
  const pulls = await listAll(github, `pulls?state=open&head=${encodeURIComponent(head)}`, pullSchema);
  const found = pulls.find((pull) => pull.head.sha === sha);
  if (found === undefined)
    throw new UserError(
      `No open pull request of ${head} is at ${sha.slice(0, 12)}`,
      "it was closed, or has newer commits, whose own run comments",
    );
  return found.number;
}
