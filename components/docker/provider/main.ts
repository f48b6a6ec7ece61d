import * as provider from "@pulumi/pulumi/provider/index.js";
import { serve } from "../../provider/handler.ts";
import { providerOf } from "../../provider/provider.ts";
import { filesHandler } from "./files.ts";
import { memberHandler } from "./member.ts";
import { modelRepositoryHandler } from "./model-repository.ts";

const dockerhost = providerOf({
  "dockerhost:index:Files": serve(filesHandler),
  "dockerhost:index:Member": serve(memberHandler),
  "dockerhost:index:ModelRepository": serve(modelRepositoryHandler),
});

await provider.main(dockerhost, process.argv.slice(2));
