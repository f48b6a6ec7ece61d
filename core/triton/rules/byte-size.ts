import type { DataType } from "../../spec/model/tensors.ts";

/** Bytes of one element. Source: common `src/model_config.cc`, GetDataTypeByteSize. */
const elementBytes: Readonly<Record<Exclude<DataType, "STRING">, number>> = {
  BOOL: 1,
  UINT8: 1,
  UINT16: 2,
  UINT32: 4,
  UINT64: 8,
  INT8: 1,
  INT16: 2,
  INT32: 4,
  INT64: 8,
  FP16: 2,
  FP32: 4,
  FP64: 8,
  BF16: 2,
};

/** Bytes of a tensor of a known shape; undefined for strings, whose length varies, and for dims of any size. */
export function byteSize({
  dataType,
  dims,
}: {
  readonly dataType: DataType;
  readonly dims: readonly number[];
}): bigint | undefined {
  if (dataType === "STRING" || dims.includes(-1)) return undefined;
  return dims.reduce((size, dim) => size * BigInt(dim), BigInt(elementBytes[dataType]));
}
