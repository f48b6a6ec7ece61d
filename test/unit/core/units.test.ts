import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  duration,
  formatBytes,
  formatDuration,
  formatSize,
  parseDuration,
  parsePercentage,
  parseSize,
  percentage,
  size,
} from "../../../core/spec/units.ts";

// Both the micro sign and the Greek letter.
const durations = { us: 1, "\u00b5s": 1, "\u03bcs": 1, ms: 1e3, s: 1e6, m: 6e7, h: 3.6e9, d: 8.64e10 };
const sizes = {
  B: 1,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
};

/** A whole number in one of the units, small enough for the smallest step to be exact. */
const quantityIn = (units: Readonly<Record<string, number>>) =>
  fc.constantFrom(...Object.entries(units)).chain(([unit, factor]) =>
    fc.record({
      unit: fc.constant(unit),
      factor: fc.constant(factor),
      count: fc.nat(Math.floor(Number.MAX_SAFE_INTEGER / factor)),
      space: fc.constantFrom("", " ", "  "),
    }),
  );

describe.each([
  { what: "durations", units: durations, parse: parseDuration, format: formatDuration },
  { what: "sizes", units: sizes, parse: parseSize, format: formatSize },
])("$what", ({ units, parse, format }) => {
  it("are written in a unit that keeps them exact", () => {
    const quantity = fc.oneof(
      quantityIn(units).map(({ count, factor }) => count * factor),
      fc.maxSafeNat(),
    );
    fc.assert(
      fc.property(quantity, (value) => {
        expect(parse(format(value))).toBe(value);
      }),
    );
  });

  it("are a number times their unit, with or without a space", () => {
    fc.assert(
      fc.property(quantityIn(units), ({ unit, factor, count, space }) => {
        expect(parse(`${String(count)}${space}${unit}`)).toBe(count * factor);
      }),
    );
  });

  it("are refused without a unit, with a sign or an exponent, and where they are no exact number", () => {
    const biggest = Object.entries(units).at(-1)?.[0] ?? "";
    for (const text of ["", "5", "ms", "-1s", "-1B", "1e3s", "1e3B", "5 5s", "1.s", ".5B", "5 constructor"]) {
      expect(parse(text), text).toBeUndefined();
    }
    expect(parse(`${"9".repeat(16)}${biggest}`)).toBeUndefined();
  });

  it("are refused in a unit that is not one of theirs", () => {
    const letters = fc.stringMatching(/^[A-Za-zµμ]{1,12}$/).filter((unit) => !Object.hasOwn(units, unit));
    fc.assert(
      fc.property(fc.nat(), letters, (count, unit) => {
        expect(parse(`${String(count)}${unit}`)).toBeUndefined();
      }),
    );
  });
});

describe("fractions", () => {
  it("are rounded to the smallest unit", () => {
    expect(parseDuration("1.5ms")).toBe(1500);
    expect(parseDuration("0.6us")).toBe(1);
    expect(parseSize("1.5GiB")).toBe(1.5 * 2 ** 30);
  });

  it("are refused where rounding leaves nothing: 0 often means for ever", () => {
    expect(parseDuration("0.0004ms")).toBeUndefined();
    expect(parseSize("0.1B")).toBeUndefined();
    expect([parseDuration("0ms"), parseDuration("0.0s"), parseSize("0GiB")]).toEqual([0, 0, 0]);
  });
});

describe("the schemas", () => {
  it.each([
    { what: "duration", schema: duration, text: "90s", value: 90_000_000, written: "90s" },
    { what: "duration", schema: duration, text: " 1.5 ms ", value: 1500, written: "1500us" },
    { what: "size", schema: size, text: "2048MiB", value: 2 ** 31, written: "2GiB" },
    { what: "percentage", schema: percentage, text: "99.95%", value: 0.9995, written: "99.95%" },
  ])("read and write a $what: $text", ({ schema, text, value, written }) => {
    expect(schema.parse(text)).toBe(value);
    expect(schema.encode(value)).toBe(written);
  });
});

describe("formatBytes", () => {
  it("is read back by parseSize to the same size within half of its last digit", () => {
    fc.assert(
      fc.property(fc.nat(Number.MAX_SAFE_INTEGER / 1.01), (bytes) => {
        const text = formatBytes(bytes);
        const read = parseSize(text) ?? Number.NaN;
        const unit = parseSize(`1${text.split(" ")[1] ?? ""}`) ?? Number.NaN;
        expect(Math.abs(read - bytes)).toBeLessThanOrEqual(unit * 0.05 + 1);
      }),
    );
  });

  it("gives back whole sizes as they are written", () => {
    for (const text of ["0 B", "1023 B", "1 KiB", "420 MiB", "1.5 GiB", "2 TiB"]) {
      expect(formatBytes(parseSize(text) ?? -1)).toBe(text);
    }
  });
});

describe("percentages", () => {
  it("are fractions of 1, without binary noise", () => {
    expect(parsePercentage("99.9%")).toBe(0.999);
    expect(parsePercentage(" 99.95 % ")).toBe(0.9995);
    expect(parsePercentage("0%")).toBe(0);
    expect(parsePercentage("100%")).toBe(1);
  });

  it("are read back from any hundredth of a percent", () => {
    fc.assert(
      fc.property(fc.nat(10_000), (hundredths) => {
        expect(parsePercentage(`${(hundredths / 100).toFixed(2)}%`)).toBeCloseTo(hundredths / 10_000, 12);
      }),
    );
  });

  it("are refused without the sign and outside of 0 to 100", () => {
    for (const text of ["99.9", "100.1%", "-1%", "%", "1e1%"])
      expect(parsePercentage(text), text).toBeUndefined();
  });
});
