import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { main as comment } from "../../commands/comment.ts";
import type { GitHub } from "../../commands/github/api.ts";
import { writeComment } from "../../commands/github/comment.ts";
import { main as plan } from "../../commands/plan.ts";
import { commentMarker } from "../../core/plan/markdown.ts";
import { runCommand, type CommandResult } from "../support/command.ts";
import { SimulatedGitHub } from "../support/github.ts";

const bot = "github-actions[bot]";
const marker = commentMarker("cloud");

describe("the comment of a pull request", () => {
  let server: SimulatedGitHub;
  let github: GitHub;
  const waits: number[] = [];
  beforeEach(async () => {
    server = await SimulatedGitHub.start();
    waits.length = 0;
    github = {
      ...{ api: server.url, repository: "acme/platform", token: server.token },
      wait: (milliseconds) => {
        waits.push(milliseconds);
        return Promise.resolve();
      },
    };
  });
  afterEach(() => server.stop());

  const write = (text: string): Promise<string> => writeComment(github, 7, marker, `${marker}\n${text}`, bot);
  const bodies = (): readonly string[] => server.comments.map(({ body }) => body);

  it("is made once and then edited in its place", async () => {
    expect(await write("one")).toBe("created");
    expect(await write("two")).toBe("edited");
    expect(await write("two")).toBe("unchanged");
    expect(bodies()).toEqual([`${marker}\ntwo`]);
  });

  it("is found on a later page", async () => {
    for (let i = 0; i < 250; i++) server.comments.push({ id: i, user: { login: "someone" }, body: "hello" });
    server.comments.push({ id: 500, user: { login: bot }, body: `${marker}\nold` });
    for (let i = 0; i < 60; i++) server.comments.push({ id: 600 + i, user: null, body: "gone" });
    expect(await write("new")).toBe("edited");
    expect(server.comments.find(({ id }) => id === 500)?.body).toBe(`${marker}\nnew`);
    expect(server.calls.filter((call) => call.startsWith("GET"))).toHaveLength(4);
  });

  it("is not another stack's, nor somebody else's who wrote the marker", async () => {
    server.comments.push({ id: 1, user: { login: "mallory" }, body: `${marker}\nmine` });
    server.comments.push({ id: 2, user: { login: bot }, body: `${commentMarker("other")}\nother` });
    server.comments.push({ id: 3, user: { login: bot }, body: `a quote: ${marker}` });
    expect(await write("ours")).toBe("created");
    expect(bodies().slice(0, 3)).toEqual([
      `${marker}\nmine`,
      `${commentMarker("other")}\nother`,
      `a quote: ${marker}`,
    ]);
  });

  it("waits as GitHub asks, and tries again where it fails", async () => {
    server.faults.push(
      (response) => response.writeHead(502).end("bad gateway"),
      (response) => response.writeHead(403, { "retry-after": "7" }).end("secondary rate limit"),
      (response) => response.destroy(),
    );
    expect(await write("one")).toBe("created");
    expect(waits).toEqual([1_000, 7_000, 4_000]);
    expect(bodies()).toHaveLength(1);
  });

  it("gives up after some tries, and says what GitHub said", async () => {
    for (let i = 0; i < 4; i++) server.faults.push((response) => response.writeHead(503).end("unicorn"));
    await expect(write("one")).rejects.toThrow(
      /GET \/repos\/acme\/platform\/issues\/7\/comments: HTTP 503: unicorn/,
    );
  });

  it("is never made twice: a POST that may have been done is not sent again", async () => {
    server.breakAfterPost = true;
    await expect(write("one")).rejects.toThrow(/POST/);
    expect(bodies()).toHaveLength(1);
  });

  it("says which right is missing", async () => {
    const stranger = { ...github, token: "another" };
    const result = writeComment(stranger, 7, marker, marker, bot);
    await expect(result).rejects.toThrow("HTTP 401");
    await expect(result).rejects.toHaveProperty("hint", "the job's token needs `pull-requests: write`");
  });

  it("sends its token nowhere else", async () => {
    server.faults.push((response) =>
      response.writeHead(200, { link: '<http://127.0.0.1:1/steal>; rel="next"' }).end("[]"),
    );
    await expect(write("one")).rejects.toThrow(/is not at/);
  });
});

describe("npm run comment", () => {
  let server: SimulatedGitHub;
  let folder: string;
  beforeEach(async () => {
    server = await SimulatedGitHub.start();
    folder = mkdtempSync(path.join(tmpdir(), "tp-comment-"));
    vi.stubEnv("GITHUB_API_URL", server.url);
    vi.stubEnv("GITHUB_REPOSITORY", "acme/platform");
    vi.stubEnv("GITHUB_TOKEN", server.token);
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true, force: true });
    await server.stop();
  });

  const file = (name: string, text: string): string => {
    const full = path.join(folder, name);
    writeFileSync(full, text);
    return full;
  };
  const run = (...args: readonly string[]): Promise<CommandResult> => runCommand(comment, ...args);

  it("writes what a plan said, in the words of this checkout", async () => {
    const { stdout } = await runCommand(plan, "--stack", "cloud", "--format", "json");
    expect((await run("--pull", "7", file("plan.json", stdout))).stdout).toContain("created on #7");
    expect(server.comments[0]?.body).toContain("Plan of `cloud`");
    expect(server.comments[0]?.body.length).toBeLessThanOrEqual(65_536);
  });

  it("finds the pull request of a fork by its newest commit, and no other", async () => {
    server.pulls.push({ number: 3, head: "fork:models", sha: "a".repeat(40) });
    server.pulls.push({ number: 7, head: "fork:models", sha: "b".repeat(40) });
    const problems = {
      format: 1,
      stack: "cloud",
      problems: [{ file: "f", path: "", message: "m", hint: "h" }],
    };
    const report = file("plan.json", JSON.stringify(problems));
    const of = (sha: string) => run("--head", "fork:models", "--sha", sha, report);
    expect((await of("b".repeat(40))).stdout).toContain("created on #7");
    expect((await of("c".repeat(40))).stderr).toContain("No open pull request of fork:models");
  });

  it.each<[string, string, RegExp]>([
    ["no JSON", "# Plan", /it is no JSON/],
    ["another form", '{"format":2}', /no report of npm run plan: format/],
    ["a marker of its own", '{"format":1,"stack":"x --> <script>","problems":[]}', /no report/],
    ["nothing", "{}", /no report/],
  ])("refuses a file that is %s, and calls nobody", async (_, text, message) => {
    expect((await run("--pull", "7", file("plan.json", text))).stderr).toMatch(message);
    expect(server.calls).toEqual([]);
  });

  it("says what is missing", async () => {
    const report = file(
      "plan.json",
      '{"format":1,"stack":"cloud","problems":[{"file":"f","path":"","message":"m","hint":"h"}]}',
    );
    expect((await run(report)).stderr).toContain("No pull request is named");
    vi.stubEnv("GITHUB_TOKEN", "");
    expect((await run("--pull", "7", report)).stderr).toContain("GITHUB_TOKEN is not set");
  });
});
