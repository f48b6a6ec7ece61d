import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import * as z from "zod";
import type { LocalTools } from "../../core/local/plan.ts";

const grafanaSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("program"), command: z.array(z.string()), home: z.string() }),
  z.object({ kind: z.literal("container"), docker: z.string(), host: z.string(), user: z.string() }),
]);

const toolsSchema: z.ZodType<LocalTools> = z.object({
  python: z.string(),
  triton: z.string(),
  libraryPath: z.string(),
  environmentHash: z.string(),
  haproxy: z.string(),
  prometheus: z.string(),
  promtool: z.string(),
  grafana: grafanaSchema.exactOptional(),
});

function toolsFile(project: string): string {
  return path.join(project, ".local", "tools.json");
}

/** Notes where setup has found or installed the programs, for a program that Pulumi runs by itself. */
export function writeLocalTools(project: string, tools: LocalTools): void {
  writeFileSync(toolsFile(project), `${JSON.stringify(tools, null, 2)}\n`);
}

/** The programs of the local target; undefined where setup has not run on this machine. */
export function readLocalTools(project: string): LocalTools | undefined {
  const file = toolsFile(project);
  return existsSync(file) ? toolsSchema.safeParse(JSON.parse(readFileSync(file, "utf8"))).data : undefined;
}
