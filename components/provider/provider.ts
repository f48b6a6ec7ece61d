import type * as provider from "@pulumi/pulumi/provider/index.js";
import type { Service } from "./handler.ts";

/** A provider that this repository serves, of these resources by their type, as in `localhost:index:File`. */
export function providerOf(services: Readonly<Record<string, Service>>): provider.Provider {
  /** `urn:pulumi:stack::project::parent$type::name` */
  const serviceOf = (urn: string): Service => {
    const type = urn.split("::")[2]?.split("$").pop() ?? "";
    const service = services[type];
    if (service === undefined) throw new Error(`there is no resource of type ${type}`);
    return service;
  };
  return {
    version: "0.1.0",
    check: (urn, olds, news) => serviceOf(urn).check(urn, olds, news),
    diff: (id, urn, olds, news) => serviceOf(urn).diff(id, urn, olds, news),
    create: (urn, inputs) => serviceOf(urn).create(urn, inputs),
    read: (id, urn, props) => serviceOf(urn).read(id, urn, props),
    update: (id, urn, olds, news) => serviceOf(urn).update(id, urn, olds, news),
    delete: (id, urn, props) => serviceOf(urn).delete(id, urn, props),
  };
}
