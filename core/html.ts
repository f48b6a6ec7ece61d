/** A text as it stands in HTML, between tags or in quotes. */
export function escapeHtml(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}

/** A page's own code and looks. */
export interface PageParts {
  /** JavaScript that draws, without `</script>` in it. */
  readonly script: string;
  readonly style: string;
}

/**
 * One HTML file that needs no network: what is to be read is in `body`, as HTML; what is to be drawn is in `data`, which the
 * script finds in the element `data`.
 */
export function drawnPage(
  { title, body, data }: { readonly title: string; readonly body: string; readonly data: unknown },
  { script, style }: PageParts,
): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(title)}</title>
<style>${style}</style>
</head>
<body>
${body}
<script type="application/json" id="data">${JSON.stringify(data).replaceAll("<", String.raw`\u003c`)}</script>
<script>${script}</script>
</body>
</html>
`;
}
