import * as provider from "@pulumi/pulumi/provider/index.js";
import { serve } from "../../provider/handler.ts";
import { providerOf } from "../../provider/provider.ts";
import { fileHandler } from "./file.ts";
import { modelRepositoryHandler } from "./model-repository.ts";
import { processHandler } from "./process.ts";
import { supervisorHandler } from "./supervisor.ts";

const localhost = providerOf({
  "localhost:index:File": serve(fileHandler),
  "localhost:index:ModelRepository": serve(modelRepositoryHandler),
  "localhost:index:Process": serve(processHandler),
  "localhost:index:Supervisor": serve(supervisorHandler),
});

await provider.main(localhost, process.argv.slice(2));
