import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import yaml from "js-yaml";
import * as pulumi from "@pulumi/pulumi";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as z from "zod";
import { record, type Registered } from "../../commands/plan/record.ts";
import { PrivateBucket } from "../../components/aws/PrivateBucket.ts";
import { startApiServer, type ApiServer } from "../support/aws-mocks.ts";
import { runOf } from "../support/aws-stacks.ts";
import { projectRoot } from "../support/tools.ts";

/**
 * Resources that were there in the last release are there in this one, under their names or under an alias, or their removal
 * was reviewed. Else an update would delete them and make others. docs/upgrades.md says what to do.
 */

const released = path.join(projectRoot, "test", "golden", "released");
/** With a release: `RELEASE=yes npx vitest run --project program test/program/renames.test.ts`. */
const isRelease = process.env.RELEASE !== undefined;

const removed = z
  .record(z.string(), z.string().min(1))
  .parse(yaml.load(readFileSync(path.join(released, "removed.yaml"), "utf8")) ?? {});

/** ConfigMaps are named by their content, and are others with every change of it. */
function withoutHash(name: string): string {
  return name.replace(/-[0-9a-f]{10}$/, "-…");
}

/** Of the released paths, those that nothing has or had. */
function lost(paths: readonly string[], resources: readonly Registered[]): readonly string[] {
  const known = new Set(resources.flatMap((each) => [each.path, ...each.formerPaths]).map(withoutHash));
  return paths.filter((each) => !known.has(each) && removed[each] === undefined);
}

describe.each(["dev", "prod-base", "prod"])("the stack %s", (stack) => {
  let apiServer: ApiServer;
  beforeAll(async () => {
    apiServer = await startApiServer();
  });
  afterAll(() => apiServer.stop());

  it("has what it had in the last release", async () => {
    const { resources } = await runOf(stack, apiServer);
    const file = path.join(released, `${stack}.txt`);
    if (isRelease) {
      const paths = resources.map((each) => withoutHash(each.path)).sort();
      writeFileSync(file, `${paths.join("\n")}\n`);
    }
    expect(lost(readFileSync(file, "utf8").trim().split("\n"), resources)).toEqual([]);
  });
});

describe("a component under another name", () => {
  const args = {
    ...{ bucket: "models", protect: false },
    policy: { Version: "2012-10-17", Statement: [] },
  } as const;
  const made = async (
    name: string,
    opts: pulumi.ComponentResourceOptions,
  ): Promise<readonly Registered[]> => {
    const { resources } = await record(
      () => {
        new PrivateBucket(name, args, opts);
        return Promise.resolve({});
      },
      { outputs: () => ({}), answer: () => ({}) },
    );
    return resources;
  };

  it("is what it was with all that is in it, where it has an alias, and another where it has none", async () => {
    const before = (await made("old", {})).map((each) => each.path);
    expect(before.length).toBeGreaterThan(4);
    expect(lost(before, await made("new", { aliases: [{ name: "old" }] }))).toEqual([]);
    expect(lost(before, await made("new", {}))).toEqual(before);
  });
});
