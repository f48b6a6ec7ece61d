/**
 * Walks over protobuf's wire format without reading what it skips: nearly all of a model's file are its weights.
 * Source: protobuf.dev/programming-guides/encoding.
 */

/** Bytes that are read where they are needed, such as a file's. */
export interface ByteSource {
  readonly size: number;
  /** The bytes from a place on; fewer than asked for only at the end. */
  readonly read: (start: number, length: number) => Uint8Array;
}

/** A field of a message, and where the bytes of its value are. */
export interface WireField {
  readonly number: number;
  readonly start: number;
  readonly end: number;
}

/** The length-delimited fields of a message; others are skipped. Throws an error where the bytes are no message. */
export function* lengthDelimited(
  source: ByteSource,
  message: Pick<WireField, "start" | "end">,
): Generator<WireField> {
  let at = message.start;
  while (at < message.end) {
    const tag = varint(source, at);
    const value = valueAt(source, tag.end, tag.value % 8);
    if (value.end > message.end) throw new Error("a field is longer than what it is in");
    if (tag.value % 8 === 2) yield { number: Math.floor(tag.value / 8), ...value };
    at = value.end;
  }
}

function valueAt(source: ByteSource, at: number, wireType: number): Pick<WireField, "start" | "end"> {
  switch (wireType) {
    case 0:
      return { start: at, end: varint(source, at).end };
    case 1:
      return { start: at, end: at + 8 };
    case 2: {
      const length = varint(source, at);
      return { start: length.end, end: length.end + length.value };
    }
    case 5:
      return { start: at, end: at + 4 };
    default:
      throw new Error(`there is no wire type ${String(wireType)}`);
  }
}

/** Exact up to 2^53, which no length or field number reaches. */
function varint(source: ByteSource, at: number): { readonly value: number; readonly end: number } {
  let value = 0;
  for (const [i, byte] of source.read(at, 10).entries()) {
    value += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) return { value, end: at + i + 1 };
  }
  throw new Error("a number does not end");
}
