import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatModelYaml } from "../../../core/spec/model-yaml.ts";
import { readYaml } from "../../../core/spec/yaml.ts";
import { nastyText } from "../../support/spec-arbitraries.ts";

describe("formatModelYaml", () => {
  it("writes as people do", () => {
    const step = { model: "a", inputs: { x: "t" }, outputs: { z: "u" } };
    const text = formatModelYaml({
      description: "Two lines\nof text",
      backend: undefined,
      maxBatchSize: 8,
      inputs: [{ name: "x", dataType: "FP32", dims: [4, -1] }],
      outputs: [{ name: "a" }, { name: "b" }, { name: "c, d", labelFilename: "{x}" }],
      batching: {},
      ensemble: { steps: [step] },
      parameters: { a: "1", b: "yes", c: "x: y", d: "", e: "0x1", f: "null", g: "~" },
    });
    expect(text).toBe(`description: |-
  Two lines
  of text
maxBatchSize: 8
inputs: [{ name: x, dataType: FP32, dims: [4, -1] }]
outputs:
  - { name: a }
  - { name: b }
  - { name: "c, d", labelFilename: "{x}" }
batching: {}
ensemble:
  steps:
    - { model: a, inputs: { x: t }, outputs: { z: u } }
parameters:
  a: "1"
  b: "yes"
  c: "x: y"
  d: ""
  e: "0x1"
  f: "null"
  g: "~"
`);
  });

  it("says what was meant, whatever the texts", () => {
    const text = fc.oneof(
      nastyText,
      fc.constantFrom(
        "y",
        "no",
        "<<",
        "1e3",
        "- a",
        "a: b",
        "a #b",
        "'",
        "|",
        ">",
        "&a",
        "\ufffd",
        "a\ufffd\n🙂\u0085",
        "*a",
        "!a",
        "%",
        "@",
        "`",
        "2001-01-01",
        "12:30",
        "=",
        "?",
        "\ta",
        "a ",
        "x".repeat(200),
      ),
    );
    const key = text.filter((each) => each !== "__proto__");
    const value = fc.oneof(text, fc.integer(), fc.double({ noNaN: true }), fc.boolean());
    const dictionary = fc.dictionary(key, value, { maxKeys: 8, noNullPrototype: true });
    const tree = fc.record({
      texts: fc.array(text, { maxLength: 4 }),
      maps: fc.array(dictionary, { maxLength: 4 }),
      deep: fc.dictionary(
        key,
        fc.array(
          fc.dictionary(key, fc.array(dictionary, { maxLength: 2 }), { maxKeys: 2, noNullPrototype: true }),
          { maxLength: 3 },
        ),
        { maxKeys: 3, noNullPrototype: true },
      ),
      dictionary,
      text,
    });
    fc.assert(
      fc.property(tree, (document) => {
        expect(readYaml(formatModelYaml(document))).toEqual({ value: document });
      }),
      { numRuns: 300 },
    );
  });
});
