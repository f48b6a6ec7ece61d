import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { main as plan } from "../../commands/plan.ts";
import { runCommand } from "../support/command.ts";
import { chromium, needing } from "../support/tools.ts";

/** The page of `npm run plan -- --format html` in a real browser. */
describe.skipIf(chromium.program === undefined)(needing(chromium, "the page of a plan"), () => {
  let folder: string;
  let file: string;

  beforeAll(async () => {
    folder = mkdtempSync(path.join(tmpdir(), "tp-page-"));
    const { stdout } = await runCommand(plan, "--stack", "cloud", "--format", "html");
    file = path.join(folder, "plan.html");
    writeFileSync(file, stdout);
  });

  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  const browse = (...args: readonly string[]) =>
    execa(chromium.program ?? "", [
      ...["--headless", "--no-sandbox", "--disable-gpu", `--user-data-dir=${path.join(folder, "profile")}`],
      ...["--enable-logging=stderr", ...args, pathToFileURL(file).href],
    ]);

  it("shows what the plan says, and is refused nothing by its own policy", async () => {
    const { stdout, stderr } = await browse("--dump-dom");
    expect(stdout).toContain("<h1>Plan of cloud</h1>");
    expect(stdout).toContain("GPU memory of a replica of `gpu`");
    // What the page may not load or run is told on the console.
    expect(stderr).not.toMatch(/CONSOLE/);
  });

  it("is readable on a phone: nothing is wider than the window", async () => {
    const probe =
      "<script>document.title = String(document.documentElement.scrollWidth <= window.innerWidth)</script>";
    const { stdout } = await runCommand(plan, "--stack", "cloud", "--format", "html");
    // The probe is no part of the page, and its policy would refuse it.
    writeFileSync(file, stdout.replace(/<meta http-equiv[^>]*>/, "").replace("</body>", `${probe}</body>`));
    const { stdout: dom } = await browse("--dump-dom", "--window-size=500,900");
    expect(dom).toContain("<title>true</title>");
  });
});
