import { describe, expect, it } from "vitest";
import { formatAdvice, formatProblems, nearest, suggest } from "../../../core/spec/problem.ts";

describe("suggestions", () => {
  it("are the nearest word, where one can be meant", () => {
    expect(suggest("latets", ["latest", "all", "specific"])).toBe("did you mean `latest`?");
    expect(suggest("xyz", ["b", "a"])).toBe("use one of: a, b");
    expect(nearest("onnx", ["onnxruntime", "python"])).toBeUndefined();
    expect(nearest("PYTHON", ["onnxruntime", "python"])).toBe("python");
    expect(nearest("anything", [])).toBeUndefined();
  });

  it("are the words that go on where a short one ends, however near others are", () => {
    const cards = ["a10g", "a100-40gb", "a100-80gb", "h100", "h200"];
    expect(suggest("A100", cards)).toBe("use one of: a100-40gb, a100-80gb");
    expect(suggest("h100-80gb", cards)).toBe("did you mean `h100`?");
    expect(suggest("a10", cards)).toBe("did you mean `a10g`?");
  });

  it("stay readable where there are many words, or none", () => {
    const names = Array.from({ length: 30 }, (_, i) => `model-number-${String(i)}`);
    expect(suggest("x", names)).toMatch(/^use one of: (model-number-\d+, ){11}model-number-\d+ and 18 more$/);
    expect(suggest("x", [])).toBe("there is none to name yet");
  });
});

describe("problems as people read them", () => {
  const problem = { file: "models/a/model.yaml", path: "inputs[0].dims", message: "wrong", hint: "mend it" };

  it("are grouped by file, with line, path and rule where they are known", () => {
    const text = formatProblems([
      { ...problem, line: 4, code: "reshape-size" },
      { ...problem, file: "Pulumi.dev.yaml", path: "" },
      { ...problem, path: "", line: 1 },
    ]);
    expect(text).toBe(`3 problems:

models/a/model.yaml
  line 4, inputs[0].dims: wrong [reshape-size]
    → mend it
  line 1: wrong
    → mend it

Pulumi.dev.yaml
  wrong
    → mend it`);
  });

  it("are told apart from advice", () => {
    expect(formatAdvice([{ ...problem, code: "unbounded-queue" }])).toMatch(/^1 piece of advice:\n/);
  });
});
