import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { x } from "../../../support/models.ts";
import { judge } from "./setup.ts";

const dim = fc.constantFrom(-1, 1, 2, 3, 4, 6);
const dims = fc.array(dim, { minLength: 1, maxLength: 4 });

/** What a reshape can be of these dims: pieces between variable dims, each split into factors or not. */
const reshapeOf = (shape: readonly number[]) =>
  fc
    .tuple(...piecesOf(shape).map((piece) => fc.constantFrom([count(piece)], piece, [1, ...piece, 1])))
    .map((pieces) => pieces.flatMap((piece, i) => (i === 0 ? piece : [-1, ...piece])));

describe("a reshape", () => {
  it("is accepted if, and only if, it holds the elements of the dims, as counted one by one", () => {
    fc.assert(
      fc.property(dims, fc.array(dim, { maxLength: 4 }), (shape, reshape) => {
        expect(isAccepted(shape, reshape)).toBe(holds(shape, reshape));
      }),
      { numRuns: 500 },
    );
  });

  it("is accepted where the pieces between variable dims are kept", () => {
    fc.assert(
      fc.property(
        dims.chain((shape) => fc.record({ shape: fc.constant(shape), reshape: reshapeOf(shape) })),
        ({ shape, reshape }) => {
          expect(isAccepted(shape, reshape)).toBe(true);
        },
      ),
    );
  });

  it.each([
    {
      shape: [2, 4, -1, 6],
      reshape: [8, -1, 1, 6],
      accepted: true,
      source: "the comment in ValidateIOShape",
    },
    { shape: [1], reshape: [], accepted: true, source: "the special case for empty reshape there" },
    { shape: [2], reshape: [], accepted: false, source: "the same" },
    { shape: [-1], reshape: [-1, 1], accepted: true, source: "a piece without dims counts 1" },
    {
      shape: [-1, -1],
      reshape: [-1],
      accepted: false,
      source: "different number of variable-size dimensions",
    },
  ])("of $shape to $reshape: $accepted ($source)", ({ shape, reshape, accepted }) => {
    expect(isAccepted(shape, reshape)).toBe(accepted);
  });
});

function isAccepted(shape: number[], reshape: number[]): boolean {
  return judge({ fields: { inputs: [{ ...x, dims: shape, reshape }] } }).problems.length === 0;
}

/** Whether, whatever the variable dims are, both hold as many elements and keep them in order. */
function holds(shape: readonly number[], reshape: readonly number[]): boolean {
  const wanted = piecesOf(shape).map(count);
  const given = piecesOf(reshape).map(count);
  return wanted.length === given.length && JSON.stringify(wanted) === JSON.stringify(given);
}

function count(piece: readonly number[]): number {
  let indices = 1;
  for (const size of piece) indices = Array.from({ length: indices * size }).length;
  return indices;
}

function piecesOf(shape: readonly number[]): number[][] {
  const pieces: number[][] = [[]];
  for (const size of shape) {
    if (size === -1) pieces.push([]);
    else pieces.at(-1)?.push(size);
  }
  return pieces;
}
