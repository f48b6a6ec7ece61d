import fc from "fast-check";
import protobuf from "protobufjs";
import { modelConfigType, textName } from "../../core/triton/model-config-type.ts";

/**
 * Texts of ModelConfig, made from the proto's own definition: every field of every message, in every spelling that
 * protobuf's text format has.
 */

/** What the schema of a model spec asks for, so that not all texts are refused: fields by `Message.field`. */
const required = new Set([
  ...["ModelInput.name", "ModelInput.dataType", "ModelInput.dims"],
  ...["ModelOutput.name", "ModelOutput.dataType", "ModelOutput.dims"],
  ...["BatchInput.dataType", "Latest.numVersions", "Specific.versions"],
  ...["State.dataType", "State.dims", "InitialState.dataType", "InitialState.dims", "ControlInput.name"],
  ...["ModelEnsembling.step", "Step.modelName"],
  ...["MetricControl.metricIdentifier", "MetricControl.histogramOptions"],
]);
const pairs = new Set(["Control.int32FalseTrue", "Control.fp32FalseTrue", "Control.boolFalseTrue"]);

/** Any message; most of the values are such as models have. */
export const modelConfigText: fc.Arbitrary<string> = messageText(modelConfigType());

function messageText(type: protobuf.Type): fc.Arbitrary<string> {
  const fields = type.fieldsArray;
  const always = fields.filter((field) => required.has(`${type.name}.${field.name}`));
  const others = fields.filter((field) => !always.includes(field));
  return fc
    .subarray(others, { maxLength: Math.min(4, others.length) })
    .map((some) => withoutRivals([...always, ...some]))
    .chain((chosen) => fc.tuple(...chosen.map((field) => fieldText(field))))
    .chain((texts) => fc.shuffledSubarray(texts, { minLength: texts.length }))
    .chain((texts) => joined(texts, separator));
}

/** Of the fields of a oneof, the first. */
function withoutRivals(fields: readonly protobuf.Field[]): protobuf.Field[] {
  return fields.filter(
    ({ partOf }, i) => partOf === null || fields.findIndex((field) => field.partOf === partOf) === i,
  );
}

const space = fc.constantFrom(" ", "  ", "\n", "\t", "\r\n", ' # a "comment" with { }\n');
const separator = fc.oneof(
  { arbitrary: space, weight: 3 },
  fc.tuple(fc.constantFrom(";", ","), space).map(([mark, gap]) => mark + gap),
);

function joined(texts: readonly string[], between: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const written = texts.filter((text) => text !== "");
  return fc
    .array(between, { minLength: written.length, maxLength: written.length })
    .map((gaps) => written.map((text, i) => (i === 0 ? text : (gaps[i] ?? "") + text)).join(""));
}

function fieldText(field: protobuf.Field): fc.Arbitrary<string> {
  const name = textName(field.name);
  if (!field.repeated && !field.map) return valueText(field).map((value) => `${name}${value}`);
  const count = pairs.has(`${field.parent?.name ?? ""}.${field.name}`)
    ? { minLength: 2, maxLength: 2 }
    : { minLength: required.has(`${field.parent?.name ?? ""}.${field.name}`) ? 1 : 0, maxLength: 3 };
  const values = fc.array(field.map ? entryText(field) : valueText(field), count);
  return fc.oneof(
    values.chain((each) =>
      joined(
        each.map((value) => `${name}${value}`),
        separator,
      ),
    ),
    // In a list, the colon is the list's own.
    fc.tuple(values, space).map(([each, gap]) => {
      const bare = each.map((value) => value.replace(/^\s*:/, ""));
      return `${name}:${gap}[${bare.join(`,${gap}`)}]`;
    }),
  );
}

/** A value with what stands between it and the field's name: a colon, which messages may leave out. */
function valueText(field: protobuf.Field): fc.Arbitrary<string> {
  const { resolvedType } = field;
  if (resolvedType instanceof protobuf.Type) return bracketed(messageText(resolvedType));
  const value = resolvedType instanceof protobuf.Enum ? enumText(resolvedType) : scalarText(field.type);
  return fc.tuple(fc.constantFrom(": ", ":", " : "), value).map((parts) => parts.join(""));
}

function entryText(field: protobuf.MapField | protobuf.Field): fc.Arbitrary<string> {
  const keyType = field instanceof protobuf.MapField ? field.keyType : "string";
  const key = scalarText(keyType).map((text) => `key: ${text}`);
  const value = (
    field.resolvedType instanceof protobuf.Type
      ? bracketed(messageText(field.resolvedType))
      : scalarText(field.type).map((text) => `: ${text}`)
  ).map((text) => `value${text}`);
  return bracketed(
    fc
      .oneof(
        { arbitrary: fc.tuple(key, separator, value), weight: 6 },
        { arbitrary: fc.tuple(value, separator, key), weight: 2 },
        { arbitrary: key.map((text) => [text]), weight: 1 },
        { arbitrary: value.map((text) => [text]), weight: 1 },
      )
      .map((parts) => parts.join("")),
  );
}

function bracketed(body: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const brackets = fc.constantFrom(["{", "}"], ["<", ">"]);
  return fc
    .tuple(fc.constantFrom("", " ", ": "), brackets, space, body)
    .map(([colon, [open = "", close = ""], gap, text]) => `${colon}${open}${gap}${text} ${close}`);
}

function enumText({ values }: protobuf.Enum): fc.Arbitrary<string> {
  const names = Object.keys(values);
  return fc.oneof(
    { arbitrary: fc.constantFrom(...names), weight: 12 },
    { arbitrary: fc.constantFrom(...Object.values(values)).map(String), weight: 2 },
    { arbitrary: fc.constantFrom("99", "-1", "0x7fffffff"), weight: 1 },
  );
}

function scalarText(type: string): fc.Arbitrary<string> {
  switch (type) {
    case "string":
      return stringText;
    case "bool":
      return fc.constantFrom("true", "false", "t", "f", "True", "False", "1", "0");
    case "float":
    case "double":
      return floatText;
    default:
      return integerText(type);
  }
}

const ranges: Readonly<Record<string, readonly [bigint, bigint]>> = {
  int32: [-(2n ** 31n), 2n ** 31n - 1n],
  uint32: [0n, 2n ** 32n - 1n],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint64: [0n, 2n ** 64n - 1n],
};

function integerText(type: string): fc.Arbitrary<string> {
  const [min, max] = ranges[type] ?? [0n, 0n];
  const value = fc.oneof(
    { arbitrary: fc.bigInt({ min: 1n, max: 64n }), weight: 20 },
    { arbitrary: fc.bigInt({ min, max }), weight: 1 },
    { arbitrary: fc.constantFrom(min, max, 0n, ...(min < 0n ? [-1n] : []), 2n ** 31n - 1n), weight: 1 },
  );
  return fc.tuple(value, fc.constantFrom("", "", "0x", "0")).map(([number, base]) => {
    const size = number < 0n ? -number : number;
    const digits = base === "0x" ? size.toString(16) : base === "0" ? size.toString(8) : String(size);
    return `${number < 0n ? "-" : ""}${base}${digits}`;
  });
}

const floatText = fc.oneof(
  {
    arbitrary: fc
      .double({ noNaN: true, noDefaultInfinity: true })
      .map((value) => (Object.is(value, -0) ? "-0" : String(value))),
    weight: 4,
  },
  { arbitrary: fc.float({ noNaN: true, noDefaultInfinity: true }).map((value) => String(value)), weight: 4 },
  {
    arbitrary: fc.constantFrom(
      "1",
      "0",
      "-7",
      "0.5f",
      "1.",
      ".5",
      "1e3",
      "1E-3F",
      "16777217",
      "-0.0",
      "1e-50",
      "3f",
    ),
    weight: 6,
  },
  { arbitrary: fc.constantFrom("inf", "-inf", "nan", "Infinity", "1e999", "1e300"), weight: 1 },
);

/** Characters that break something somewhere: quotes, escapes, controls, YAML's marks, and all of Unicode. */
const character = fc.oneof(
  { arbitrary: fc.constantFrom(...Array.from("abcxyz019_-./ ")), weight: 6 },
  {
    arbitrary: fc.constantFrom(
      ...[
        '"',
        "'",
        "\\",
        "\n",
        "\r",
        "\t",
        "\0",
        "\x07",
        "\x1b",
        "\x7f",
        "\u0085",
        "\u2028",
        "\ufeff",
        "\ufffe",
        "\ufffd",
      ],
      ...["#", ":", "%", "{", "é", "語", "🙂"],
    ),
    weight: 1,
  },
  { arbitrary: fc.string({ unit: "binary", minLength: 1, maxLength: 1 }), weight: 1 },
);

const content = fc.oneof(
  { arbitrary: fc.constantFrom("x", "y", "model.onnx", "a b", "key", "8.0"), weight: 6 },
  { arbitrary: fc.array(character, { maxLength: 8 }).map((characters) => characters.join("")), weight: 2 },
  {
    arbitrary: fc.constantFrom("__proto__", "constructor", "<<", "null", "~", "no", "1e3", "0x1"),
    weight: 1,
  },
);

/** Both quotes, every escape, and pieces that are written one after the other. */
const stringText: fc.Arbitrary<string> = fc
  .tuple(content, fc.constantFrom('"', "'"), fc.array(fc.nat(6), { minLength: 1, maxLength: 9 }))
  .map(([text, quote, choices]) => {
    const spelled = Array.from(text, (each, i) => spell(each, choices[i % choices.length] ?? 0, quote));
    return `${quote}${spelled.join("")}${quote}`;
  });

function spell(character: string, choice: number, quote: string): string {
  const code = character.codePointAt(0) ?? 0;
  const octets = [...Buffer.from(character)];
  const mustEscape = code < 32 || character === "\\" || character === quote;
  if (choice === 0 || (mustEscape && choice > 3)) {
    return octets.map((octet) => `\\${octet.toString(8).padStart(3, "0")}`).join("");
  }
  if (choice === 1) return octets.map((octet) => `\\x${octet.toString(16).padStart(2, "0")}`).join("");
  // Python's parser reads what a \\u stands for once more, and would take a backslash for an escape.
  if (character === "\\") return "\\\\";
  if (choice === 2 && code < 0x10000) return `\\u${code.toString(16).padStart(4, "0")}`;
  if (choice === 3 || mustEscape) return `\\U${code.toString(16).padStart(8, "0")}`;
  // A string that ends here goes on in the next.
  return choice === 4 ? `${character}${quote} ${quote}` : character;
}
