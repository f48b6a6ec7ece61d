import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatBytes, parseDuration, parsePercentage, parseSize } from "../../../core/spec/units.ts";

const durations = { us: 1, µs: 1, ms: 1e3, s: 1e6, m: 6e7, h: 3.6e9, d: 8.64e10 };
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
  { what: "durations", units: durations, parse: parseDuration },
  { what: "sizes", units: sizes, parse: parseSize },
])("$what", ({ units, parse }) => {
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
    const letters = fc.stringMatching(/^[A-Za-zµ]{1,12}$/).filter((unit) => !Object.hasOwn(units, unit));
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
    expect(parseDuration("0.0004ms")).toBe(0);
    expect(parseSize("1.5GiB")).toBe(1.5 * 2 ** 30);
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
