import { createRequire } from "node:module";
import * as z from "zod";
import { SimulatedProvider } from "./provider.ts";
import { serve } from "./server.ts";

/** Names the file of the simulated account. */
const file = process.env.SIMULATED_AWS_ACCOUNT;
if (file === undefined) throw new Error("SIMULATED_AWS_ACCOUNT names no account's file");
const { version } = z
  .object({ version: z.string() })
  .parse(createRequire(import.meta.url)("@pulumi/aws/package.json"));

// The engine reads the port from here.
console.log(String(await serve(new SimulatedProvider(file), version)));
