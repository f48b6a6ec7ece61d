import { describe, expect, it } from "vitest";
import { parseContainers } from "../../commands/stack/docker.ts";

describe("containers of a Docker host", () => {
  it("are called as in the plan, and are ready where they run and Docker finds nothing wrong", () => {
    const listed = [
      "a1\ttriton\tgpu\t0\tUp 5 minutes (healthy)",
      "a2\ttriton\tgpu\t1\tUp 2 seconds (health: starting)",
      "a3\ttriton\tllm\t0\tUp About a minute (unhealthy)",
      "a4\tbalancer\t\t\tExited (0) 2 hours ago",
      "a5\tdcgm-exporter\t\t\tUp 3 days",
      "a6\tprometheus\t\t\tUp 3 days (Paused)",
    ];
    const containers = parseContainers(`${listed.join("\n")}\n`);
    expect(containers.map(({ name, isReady }) => [name, isReady])).toEqual([
      ["gpu-0", true],
      ["gpu-1", false],
      ["llm-0", false],
      ["balancer", false],
      ["dcgm-exporter", true],
      ["prometheus", false],
    ]);
    expect(parseContainers("")).toEqual([]);
  });
});
