import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { UserError } from "../setup/user-error.ts";

/** One price of AWS' public price list, by the list's own column names. */
export type PriceRow = Readonly<Record<string, string>>;

/** How long the server may be silent. */
const silence = 60_000;

/**
 * The on-demand prices of a service in a region, row by row: the list of EC2 has hundreds of megabytes. Source: AWS Price
 * List Bulk API, "Reading a price list", the CSV file of a region: five lines about the file, one of column names, then a
 * price a line. A list that ends early, or is none, is an error.
 */
export async function* priceRows(base: string, service: string, region: string): AsyncGenerator<PriceRow> {
  const url = `${base}/offers/v1.0/aws/${service}/current/${region}/index.csv`;
  const broken = (why: string, cause?: unknown): UserError =>
    new UserError(
      `The prices of ${service} could not be read from ${url}: ${why}`,
      "nothing was changed; try again later",
      { cause },
    );
  const end = new AbortController();
  const timer = setTimeout(() => {
    end.abort();
  }, silence);
  try {
    const response = await fetch(url, { signal: end.signal });
    if (!response.ok || response.body === null) throw broken(`HTTP ${String(response.status)}`);
    const lines = createInterface({ input: Readable.from(piecesOf(response.body)), crlfDelay: Infinity });
    let columns: readonly string[] | undefined;
    for await (const line of lines) {
      timer.refresh();
      if (columns === undefined) {
        const cells = cellsOf(line);
        if (cells.includes("SKU") && cells.includes("PricePerUnit")) columns = cells;
      } else if (line.includes('"OnDemand"')) {
        const cells = cellsOf(line);
        if (cells.length !== columns.length)
          throw broken(`a line has ${String(cells.length)} of ${String(columns.length)} columns`);
        yield Object.fromEntries(columns.map((column, i) => [column, cells[i] ?? ""]));
      }
    }
    if (columns === undefined) throw broken("it is no price list: no line names its columns");
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw broken(
      end.signal.aborted ? `nothing came for ${String(silence / 1_000)} s` : reasonOf(error),
      error,
    );
  } finally {
    clearTimeout(timer);
  }
}

/** Those of the browser's types, which the page of dashboards brings, are no iterables. */
async function* piecesOf(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  for (let read = await reader.read(); !read.done; read = await reader.read()) yield read.value;
}

/** Every cell is in quotes; a quote inside is doubled. */
function cellsOf(line: string): readonly string[] {
  return [...line.matchAll(/"((?:[^"]|"")*)"(?:,|$)/g)].map(([, cell = ""]) => cell.replaceAll('""', '"'));
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}
