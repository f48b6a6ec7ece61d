import * as provider from "@pulumi/pulumi/provider/index.js";
import { serve } from "../../provider/handler.ts";
import { providerOf } from "../../provider/provider.ts";
import { modelRepositoryHandler } from "./model-repository.ts";

const modelstore = providerOf({
  "modelstore:index:ModelRepository": serve(modelRepositoryHandler),
});

await provider.main(modelstore, process.argv.slice(2));
