import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { formatLock, hashFile, lockFilename } from "../../core/spec/artifacts.ts";
import { projectRoot } from "./tools.ts";

/** Models that need no more than Triton's Python backend, with calls so short that a rollout does not take long. */

const scaleSpec = (factor: number): string => `backend: python
maxBatchSize: 4
inputs: [{ name: x, dataType: FP32, dims: [2] }]
outputs: [{ name: y, dataType: FP32, dims: [2] }]
instances: [{ kind: cpu, count: 1 }]
parameters: { factor: "${String(factor)}" }
callTimeout: 5s
`;

const scaleProgram = `import json

import triton_python_backend_utils as pb


class TritonPythonModel:
    def initialize(self, args):
        parameters = json.loads(args["model_config"])["parameters"]
        self.factor = float(parameters["factor"]["string_value"])

    def execute(self, requests):
        arrays = [pb.get_input_tensor_by_name(request, "x").as_numpy() for request in requests]
        return [pb.InferenceResponse([pb.Tensor("y", array * self.factor)]) for array in arrays]
`;

/** A syntax error: no server comes up with it. */
const brokenProgram = scaleProgram.replace("def initialize(self, args):", "def initialize(self, args)");

/** Writes the models `scale`, which multiplies by 2, and `llm-backend`, the project's own. */
export function writeModels(folder: string): void {
  writeScale(folder, 2);
  const llm = path.join(folder, "llm-backend");
  cpSync(path.join(projectRoot, "models", "llm-backend"), llm, { recursive: true });
  const spec = path.join(llm, "model.yaml");
  const shorter = readFileSync(spec, "utf8")
    .replace(/callTimeout: \S+/, "callTimeout: 15s")
    .replace(/total_deadline_seconds: "\d+"/, 'total_deadline_seconds: "12"')
    .replace(/attempt_timeout_seconds: "\d+"/, 'attempt_timeout_seconds: "5"');
  writeFileSync(spec, shorter);
}

/** What the model `scale` is from the next deployment on. */
export function writeScale(folder: string, factor: number | "broken"): void {
  const model = path.join(folder, "scale");
  mkdirSync(path.join(model, "1"), { recursive: true });
  writeFileSync(path.join(model, "model.yaml"), scaleSpec(factor === "broken" ? 0 : factor));
  writeFileSync(path.join(model, "1", "model.py"), factor === "broken" ? brokenProgram : scaleProgram);
  writeFileSync(path.join(model, lockFilename), formatLock([hashFile(model, "1/model.py")]));
}
