import process from "node:process";
import {
  GetResourcesCommand,
  ResourceGroupsTaggingAPIClient,
} from "@aws-sdk/client-resource-groups-tagging-api";
import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";
import { identify, isOwn, type Found } from "../../core/ephemeral/leftovers.ts";
import type { Account, AccountPlace } from "./account.ts";
import { AwsKinds, clientOptions } from "./aws-kinds.ts";

/** The account of the machine's credentials, by AWS' SDK. */
export class AwsAccount implements Account {
  readonly #sts: STSClient;
  readonly #tagging: ResourceGroupsTaggingAPIClient;
  readonly #kinds: AwsKinds;

  constructor(private readonly place: AccountPlace) {
    // The SDK is pinned here: which Node its later versions want is no news for whoever runs a benchmark.
    process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= "true";
    const options = clientOptions(place.region);
    this.#sts = new STSClient(options);
    this.#tagging = new ResourceGroupsTaggingAPIClient(options);
    this.#kinds = new AwsKinds(place.region);
  }

  async now(): Promise<number> {
    const { Account: account } = await this.#sts.send(new GetCallerIdentityCommand({}));
    if (account !== this.place.account)
      throw new Error(
        `AWS account ID not allowed: ${String(account)}; the stack is in ${this.place.account}`,
      );
    // The SDK compares each answer's Date with this clock, and signs by AWS' where they are five minutes apart.
    return Date.now() + this.#sts.config.systemClockOffset;
  }

  /**
   * The tagging API tells of most, for a while also of what is gone; roles it does not know. So each is looked at by its own
   * service. Source: Resource Groups Tagging API, "Services that support it".
   */
  async find(tags: Readonly<Record<string, string>>, name: string): Promise<readonly Found[]> {
    const found: Found[] = [];
    let token: string | undefined;
    do {
      const answer = await this.#tagging.send(
        new GetResourcesCommand({
          TagFilters: Object.entries(tags).map(([Key, value]) => ({ Key, Values: [value] })),
          ...(token === undefined ? {} : { PaginationToken: token }),
        }),
      );
      for (const { ResourceARN: arn = "", Tags = [] } of answer.ResourceTagMappingList ?? []) {
        const known = identify(arn);
        if (known === undefined) continue;
        found.push({
          ...known,
          tags: Object.fromEntries(Tags.map(({ Key = "", Value = "" }) => [Key, Value])),
        });
      }
      token = answer.PaginationToken === "" ? undefined : answer.PaginationToken;
    } while (token !== undefined);
    const others = await this.#kinds.untold(name);
    const all = [
      ...found,
      ...others.filter((one) => isOwn(one, tags) && !found.some(({ arn }) => arn === one.arn)),
    ];
    const isThere = await Promise.all(all.map((one) => this.#kinds.isThere(one)));
    return all.filter((_, i) => isThere[i]);
  }

  async remove(found: Found): Promise<void> {
    await this.#kinds.remove(found);
  }
}
