import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import {
  createAccountFile,
  look,
  transact,
  type AccountSettings,
  type Fault,
  type JournalEntry,
  type Stored,
  type Verb,
} from "./account.ts";

/** An AWS account of a test's own. The providers of the test's stacks find it by `environment`. */
export class SimulatedAccount {
  readonly #folder = mkdtempSync(path.join(tmpdir(), "tp-aws-"));
  readonly file = path.join(this.#folder, "account.json");

  constructor(settings: Partial<AccountSettings> = {}) {
    createAccountFile(this.file, { ...usual, ...settings });
  }

  get environment(): Readonly<Record<string, string>> {
    return { SIMULATED_AWS_ACCOUNT: this.file };
  }

  configure(settings: Partial<AccountSettings>): void {
    transact(this.file, (account) => {
      account.configure(settings);
    });
  }

  /** What is there, of a type where one is named. */
  resources(type?: string): readonly Stored[] {
    return look(this.file).resources.filter((resource) => type === undefined || resource.type === type);
  }

  /** The one of a type with this name in the program. */
  the(type: string, name?: string): Stored {
    const found = this.resources(type).filter((resource) => name === undefined || resource.name === name);
    const [first] = found;
    if (first === undefined || found.length > 1)
      throw new Error(`${String(found.length)} of type ${type}${name === undefined ? "" : ` named ${name}`}`);
    return first;
  }

  get journal(): readonly JournalEntry[] {
    return look(this.file).journal;
  }

  /** The journal from now on, when asked. */
  recording(): () => readonly JournalEntry[] {
    const before = this.journal.length;
    return () => this.journal.slice(before);
  }

  /** Lets the next operations fail, as AWS would. */
  fail(
    verb: Verb,
    type: string,
    message: string,
    options: Partial<Pick<Fault, "name" | "times" | "leavesRemains">> = {},
  ): void {
    transact(this.file, (account) => {
      account.fail({ verb, type, message, times: 1, ...options });
    });
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

const usual: AccountSettings = {
  id: "111122223333",
  callerArn: "arn:aws:sts::111122223333:assumed-role/deployers/ci",
  zones: {
    "us-east-1": ["us-east-1a", "us-east-1b", "us-east-1c", "us-east-1d", "us-east-1e", "us-east-1f"],
    "eu-central-1": ["eu-central-1a", "eu-central-1b", "eu-central-1c"],
  },
  offerings: {},
  // Source: Service Quotas: running On-Demand P, all P Spot, running On-Demand standard, all standard Spot, G and VT; vCPUs.
  quotas: {
    ...{ "L-417A185B": 1_152, "L-7212CCBC": 1_152, "L-1216C47A": 640, "L-34B43A08": 640, "L-DB2E81BA": 640 },
    "L-3819A6DF": 640,
  },
  hostedZones: { Z0123456789ABCDEFGHIJ: "example.com" },
  ...{ reservations: {}, objects: {}, takenBuckets: [] },
  // Of what other things need before them, and of what needs others as long as it goes.
  delays: {
    ...{
      "create aws:iam/rolePolicyAttachment:RolePolicyAttachment": 300,
      "create aws:iam/rolePolicy:RolePolicy": 300,
    },
    ...{
      "create aws:ec2/internetGateway:InternetGateway": 500,
      "create aws:s3/bucketPolicy:BucketPolicy": 300,
    },
    ...{ "create aws:eks/addon:Addon": 300, "create aws:cloudwatch/logGroup:LogGroup": 500 },
    "create aws:eks/accessPolicyAssociation:AccessPolicyAssociation": 1_000,
    ...{ "delete aws:eks/cluster:Cluster": 400, "delete aws:eks/nodeGroup:NodeGroup": 400 },
  },
  controlPlane: {
    endpoint: "https://0123456789ABCDEF.gr7.us-east-1.eks.amazonaws.com",
    certificateAuthority: "",
  },
  patience: 4_000,
};
