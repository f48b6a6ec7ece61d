import { readFileSync } from "node:fs";
import path from "node:path";
import { build } from "esbuild";
import type { PageParts } from "../../core/html.ts";
import { projectRoot } from "../setup/places.ts";

/** The script of a page with plots, bundled, and its style: uPlot's, what all pages share, and its own. */
export async function pageParts(script: string, style: string): Promise<PageParts> {
  const { outputFiles } = await build({
    entryPoints: [script],
    bundle: true,
    minify: true,
    write: false,
    format: "iife",
    target: "es2022",
    logLevel: "error",
  });
  const styles = [
    path.join(projectRoot, "node_modules", "uplot", "dist", "uPlot.min.css"),
    path.join(import.meta.dirname, "base.css"),
    style,
  ];
  return {
    script: (outputFiles[0]?.text ?? "").replaceAll("</script", String.raw`<\/script`),
    style: styles.map((file) => readFileSync(file, "utf8")).join("\n"),
  };
}
