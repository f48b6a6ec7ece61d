import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import yaml from "js-yaml";
import * as z from "zod";
import { waitFor, type Cluster } from "./cluster.ts";
import { projectRoot } from "./tools.ts";

const definitionSchema = z.looseObject({
  metadata: z.object({ name: z.string() }),
});

/** Gives a cluster the custom resources that a plan may have, by their projects' own definitions. */
export async function defineCustomResources(cluster: Cluster): Promise<void> {
  const folder = path.join(projectRoot, "test", "support", "crds");
  const definitions = readdirSync(folder)
    .filter((name) => name.endsWith(".yaml.gz"))
    .map((name) => yaml.load(gunzipSync(readFileSync(path.join(folder, name))).toString("utf8")))
    .map((definition) => definitionSchema.parse(definition));
  await cluster.applyOnServer(definitions);
  await waitFor("the custom resources", async () => {
    const known = await cluster.kubectl("api-resources", "-o", "name");
    return definitions.every(({ metadata }) => known.includes(metadata.name));
  });
}
