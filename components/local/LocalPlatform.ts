import * as pulumi from "@pulumi/pulumi";
import { apiKeyFile, type LocalPlan } from "../../core/local/plan.ts";
import { File, ModelRepository, Process, Supervisor } from "./resources.ts";

export interface LocalPlatformArgs {
  /** What runs on this machine; plain data, checked before. */
  plan: LocalPlan;
  /** Folder with `supervisord` and `supervisorctl`. */
  supervisorBin: string;
  /** HolySheep's key. Default: a placeholder, which the simulator accepts. */
  apiKey?: pulumi.Input<string>;
}

/** The simulator asks for no particular key, and the model for any. */
const simulatorKey = "local-simulator";

/** The whole platform as supervised processes of this machine. */
export class LocalPlatform extends pulumi.ComponentResource {
  constructor(name: string, args: LocalPlatformArgs, opts?: pulumi.ComponentResourceOptions) {
    super("triton-platform:local:LocalPlatform", name, {}, opts);
    const { plan } = args;
    const place = { directory: plan.directory, bin: args.supervisorBin };
    const supervisor = new Supervisor(`${name}-supervisor`, place, { parent: this });

    const repositories = plan.repositories.map(
      ({ server, directory, files }) =>
        new ModelRepository(
          `${name}-${server}-repository`,
          { directory, platform: plan.directory, files: [...files] },
          { parent: this },
        ),
    );
    const files = plan.files.map(
      ({ name: file, path: target, content, validate }) =>
        new File(
          `${name}-${file}`,
          {
            path: target,
            content,
            mode: 0o600,
            ...(validate === undefined ? {} : { validate: [...validate] }),
          },
          { parent: this, dependsOn: supervisor },
        ),
    );
    const key = new File(
      `${name}-holysheep-api-key`,
      { path: apiKeyFile(plan.directory), content: pulumi.secret(args.apiKey ?? simulatorKey), mode: 0o600 },
      { parent: this, dependsOn: supervisor },
    );

    const processes = new Map<string, Process>();
    for (const { after, ...process } of plan.processes) {
      const before = after.flatMap((other) => processes.get(other) ?? []);
      processes.set(
        process.name,
        new Process(
          `${name}-${process.name}`,
          {
            ...process,
            ...place,
            command: [...process.command],
            ports: [...process.ports],
          },
          { parent: this, dependsOn: [supervisor, key, ...repositories, ...files, ...before] },
        ),
      );
    }
    this.registerOutputs();
  }
}
