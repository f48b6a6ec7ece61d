import { dataTypes, type DataType } from "../spec/model/tensors.ts";

/** Values of a tensor as the wire has them: the binary tensor data of KServe v2, row-major and little-endian. */

/** One input of a request. */
export interface WireTensor {
  readonly name: string;
  /** Of KServe v2: a spec's STRING is BYTES. */
  readonly datatype: string;
  /** With the batch dimension, where the model has one. */
  readonly shape: readonly number[];
  readonly bytes: Buffer;
}

export type TensorValue = string | number | boolean;

/** KServe v2's name of Triton's data type. */
export function wireType(dataType: DataType): string {
  return dataType === "STRING" ? "BYTES" : dataType;
}

/** Triton's data type of KServe v2's name; undefined where it is none. */
export function dataTypeOf(datatype: string): DataType | undefined {
  const name = datatype === "BYTES" ? "STRING" : datatype;
  return dataTypes.find((known) => known === name);
}

/** Elements of a shape. */
export function elements(shape: readonly number[]): number {
  return shape.reduce((product, dim) => product * dim, 1);
}

/**
 * Values one after the other. BYTES have their length, four bytes, before each (KServe v2, "Tensor Data"). Throws a RangeError
 * where a whole number does not fit.
 */
export function encodeValues(dataType: DataType, values: readonly TensorValue[]): Buffer {
  if (dataType === "STRING")
    return Buffer.concat(
      values.flatMap((value) => {
        const text = Buffer.from(String(value), "utf8");
        const length = Buffer.alloc(4);
        length.writeUInt32LE(text.length);
        return [length, text];
      }),
    );
  const { size, write } = codecs[dataType];
  const bytes = Buffer.alloc(size * values.length);
  for (const [i, value] of values.entries()) write(bytes, Number(value), i * size);
  return bytes;
}

/**
 * The values of a tensor's bytes, the other way round, for JSON. Throws where JSON has none of that type: FP16 and BF16 (KServe
 * v2, "Tensor Data").
 */
export function decodeValues(dataType: DataType, bytes: Buffer): readonly TensorValue[] {
  if (dataType === "STRING") {
    const texts: string[] = [];
    for (let at = 0; at < bytes.length;) {
      const end = at + 4 + bytes.readUInt32LE(at);
      texts.push(bytes.toString("utf8", at + 4, end));
      at = end;
    }
    return texts;
  }
  const { size, read } = codecs[dataType];
  if (read === undefined) throw new RangeError(`JSON has no ${dataType}`);
  return Array.from({ length: bytes.length / size }, (_, i) => read(bytes, i * size));
}

interface Codec {
  /** Bytes of one value. */
  readonly size: number;
  readonly write: (bytes: Buffer, value: number, at: number) => unknown;
  readonly read?: (bytes: Buffer, at: number) => number | boolean;
}

const codecs: Readonly<Record<Exclude<DataType, "STRING">, Codec>> = {
  BOOL: {
    size: 1,
    write: (bytes, value, at) => bytes.writeUInt8(value === 0 ? 0 : 1, at),
    read: (bytes, at) => bytes.readUInt8(at) !== 0,
  },
  UINT8: number(1, "UInt8"),
  UINT16: number(2, "UInt16LE"),
  UINT32: number(4, "UInt32LE"),
  UINT64: bigNumber("BigUInt64LE"),
  INT8: number(1, "Int8"),
  INT16: number(2, "Int16LE"),
  INT32: number(4, "Int32LE"),
  INT64: bigNumber("BigInt64LE"),
  FP16: { size: 2, write: (bytes, value, at) => bytes.writeUInt16LE(halfBits(value), at) },
  FP32: number(4, "FloatLE"),
  FP64: number(8, "DoubleLE"),
  BF16: { size: 2, write: (bytes, value, at) => bytes.writeUInt16LE(brainBits(value), at) },
};

/** `type` as the names of Buffer's methods have it. */
function number(
  size: number,
  type: "UInt8" | "UInt16LE" | "UInt32LE" | "Int8" | "Int16LE" | "Int32LE" | "FloatLE" | "DoubleLE",
): Codec {
  return {
    size,
    write: (bytes, value, at) => bytes[`write${type}`](value, at),
    read: (bytes, at) => bytes[`read${type}`](at),
  };
}

function bigNumber(type: "BigUInt64LE" | "BigInt64LE"): Codec {
  return {
    size: 8,
    write: (bytes, value, at) => bytes[`write${type}`](BigInt(value), at),
    read: (bytes, at) => Number(bytes[`read${type}`](at)),
  };
}

/** The nearest IEEE 754 half: Node has Math.f16round and Float16Array from version 24 on only. */
function halfBits(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (Number.isNaN(value)) return 0x7e00;
  // Halfway between the largest half and the next step it would have.
  if (size >= 65_520) return sign | 0x7c00;
  // Below 2^-14 a half has fixed steps of 2^-24, above it 1024 steps for each power of two.
  const exponent = Math.max(-14, Math.floor(Math.log2(size)));
  const steps = roundToEven(size / 2 ** (exponent - 10));
  return sign | (exponent === -14 ? steps : ((exponent + 14) << 10) + steps);
}

function roundToEven(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  return rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? below + 1 : below;
}

/** The upper half of an FP32, which is what a BF16 is; rounded towards zero. */
function brainBits(value: number): number {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return bytes.readUInt16LE(2);
}
