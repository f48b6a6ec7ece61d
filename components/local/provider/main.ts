import * as provider from "@pulumi/pulumi/provider/index.js";
import { fileHandler } from "./file.ts";
import { serve, type Service } from "./handler.ts";
import { modelRepositoryHandler } from "./model-repository.ts";
import { processHandler } from "./process.ts";
import { supervisorHandler } from "./supervisor.ts";

/** Resources of this machine, by their type. */
const services: Readonly<Record<string, Service>> = {
  "localhost:index:File": serve(fileHandler),
  "localhost:index:ModelRepository": serve(modelRepositoryHandler),
  "localhost:index:Process": serve(processHandler),
  "localhost:index:Supervisor": serve(supervisorHandler),
};

/** `urn:pulumi:stack::project::parent$type::name` */
function serviceOf(urn: string): Service {
  const type = urn.split("::")[2]?.split("$").pop() ?? "";
  const service = services[type];
  if (service === undefined) throw new Error(`there is no resource of type ${type}`);
  return service;
}

const localhost: provider.Provider = {
  version: "0.1.0",
  check: (urn, olds, news) => serviceOf(urn).check(urn, olds, news),
  diff: (id, urn, olds, news) => serviceOf(urn).diff(id, urn, olds, news),
  create: (urn, inputs) => serviceOf(urn).create(urn, inputs),
  read: (id, urn, props) => serviceOf(urn).read(id, urn, props),
  update: (id, urn, olds, news) => serviceOf(urn).update(id, urn, olds, news),
  delete: (id, urn, props) => serviceOf(urn).delete(id, urn, props),
};

await provider.main(localhost, process.argv.slice(2));
