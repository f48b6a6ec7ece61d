import { readdirSync } from "node:fs";
import path from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { readStack } from "../../commands/stack/config.ts";
import { planDockerStack } from "../../commands/stack/docker.ts";
import { planEksStack } from "../../commands/stack/eks.ts";
import { planStack } from "../../commands/stack/kubernetes.ts";
import { renderEksPlan } from "../../core/aws/render.ts";
import { renderDockerPlan } from "../../core/docker/render.ts";
import { renderKubernetesPlan } from "../../core/kubernetes/render.ts";
import { projectRoot } from "../support/tools.ts";

/**
 * What the committed stacks would create, file by file, as reviewers see it in a pull request. After a change that is
 * meant: `npx vitest run --project unit test/unit/plans.test.ts --update`, and read the difference.
 */
describe.each(["onprem", "cloud", "dev", "bench", "prod-base", "prod", "gpu-host"])(
  "the plan of the stack %s",
  (stack) => {
    const golden = path.join(projectRoot, "test", "golden", stack);

    function render(): ReadonlyMap<string, string> {
      const read = readStack(stack);
      switch (read.config.target) {
        case "eks":
          return renderEksPlan(planEksStack(read).plan);
        case "docker":
          return renderDockerPlan(planDockerStack(read).plan);
        default:
          return renderKubernetesPlan(planStack(read).plan);
      }
    }

    let files: ReadonlyMap<string, string>;
    beforeAll(() => {
      files = render();
    });

    it("is the one that was reviewed", async () => {
      for (const [name, text] of files) await expect(text).toMatchFileSnapshot(path.join(golden, name));
      const reviewed = readdirSync(golden, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => path.relative(golden, path.join(entry.parentPath, entry.name)));
      expect(reviewed.sort()).toEqual([...files.keys()].sort());
    });

    it("is the same each time, byte for byte", () => {
      expect([...render()]).toEqual([...files]);
    });

    it("asks no container for more than the restricted standard allows, and holds no secret", () => {
      const manifests = [...files].filter(([name]) => name.startsWith("manifests/"));
      for (const [name, text] of manifests) {
        expect(text, name).not.toMatch(/privileged: true|hostPath|hostNetwork: true|stringData/);
        if (name.includes("secret-")) expect(text, name).not.toMatch(/^data:/m);
      }
    });
  },
);
