import type { Account as AccountOfAws } from "../../../commands/ephemeral/account.ts";
import { identify, isOwn, type Found } from "../../../core/ephemeral/leftovers.ts";
import { look, transact, type Stored } from "./account.ts";
import { loadBalancer } from "./cluster-life.ts";
import { networkInterface, removeInterfaces } from "./ec2.ts";
import { attachment, role } from "./iam.ts";
import { SimulatedProvider } from "./provider.ts";
import { textMap } from "./values.ts";

/** A volume that a cluster's driver has made. */
export const volume = "ec2:Volume";

/** The simulated account as whoever looks for leftovers sees it. Deletions are in its journal, and fail by its faults. */
export class LeftoverAccount implements AccountOfAws {
  readonly #provider: SimulatedProvider;

  /** `ahead`: milliseconds that AWS' clock is ahead of this machine's. */
  constructor(
    private readonly file: string,
    private readonly ahead: () => number = () => 0,
  ) {
    this.#provider = new SimulatedProvider(file);
  }

  now(): Promise<number> {
    return Promise.resolve(Date.now() + this.ahead());
  }

  find(tags: Readonly<Record<string, string>>): Promise<readonly Found[]> {
    const found = look(this.file).resources.flatMap((resource) => {
      const known = identify(arnOf(resource));
      return known === undefined ? [] : [{ ...known, tags: textMap(resource.properties.tagsAll) }];
    });
    return Promise.resolve(found.filter((one) => isOwn(one, tags)));
  }

  async remove({ arn }: Found): Promise<void> {
    const resource = look(this.file).resources.find((other) => arnOf(other) === arn);
    if (resource === undefined) return;
    const { type, name, id } = resource;
    if (type === loadBalancer || type === volume) this.#removeOfCluster(resource);
    else {
      // As IAM wants it of whoever deletes a role.
      for (const other of type === role ? look(this.file).all(attachment) : [])
        if (other.properties.role === id) await this.#provider.delete(other.type, other.name, other.id);
      await this.#provider.delete(type, name, id);
    }
  }

  #removeOfCluster({ type, name, id }: Stored): void {
    const failure = transact(this.file, (account) => {
      const began = account.begin({ verb: "delete", type, name, id });
      const fault = account.takeFault("delete", type, name);
      if (fault === undefined) {
        removeInterfaces(account, name);
        account.remove(type, id);
      }
      account.end(began, fault === undefined ? {} : { error: fault.message });
      return fault?.message;
    });
    if (failure !== undefined) throw new Error(failure);
  }
}

/** Some types have no ARN among their outputs. */
function arnOf({ type, id, properties }: Stored): string {
  if (typeof properties.arn === "string") return properties.arn;
  const words = new Map([
    ["aws:ec2/natGateway:NatGateway", "natgateway"],
    [networkInterface, "network-interface"],
    [volume, "volume"],
  ]);
  return `arn:aws:ec2:us-east-1:111122223333:${words.get(type) ?? type}/${id}`;
}
