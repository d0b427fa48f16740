/**
 * Builds the front end into the Python package: widget.js and widget.css for anywidget, sdk.js for plain pages.
 * Same sources, same bytes: no paths, no times, no source maps. CI rebuilds and fails on a difference.
 */
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const here = fileURLToPath(new URL(".", import.meta.url));
const outdir = fileURLToPath(new URL("../genmb_voice_widget/static/", import.meta.url));
/** anywidget sends the module with every widget and a notebook may keep it, so its size is paid for again and again. */
const LIMIT_BYTES = { "widget.js": 36_000, "widget.css": 4_000, "sdk.js": 24_000 };

const common = {
  absWorkingDir: here,
  outdir,
  bundle: true,
  minify: true,
  target: "es2022",
  charset: "utf8",
  legalComments: "none",
  logLevel: "warning",
};

await Promise.all([
  build({
    ...common,
    entryPoints: { widget: "src/widget.ts" },
    format: "esm",
    jsx: "automatic",
    jsxImportSource: "preact",
  }),
  build({ ...common, entryPoints: { widget: "src/styles.css" } }),
  build({ ...common, entryPoints: { sdk: "src/sdk.ts" }, format: "iife" }),
]);

for (const [name, limit] of Object.entries(LIMIT_BYTES)) {
  const bytes = await readFile(outdir + name);
  const zipped = gzipSync(bytes, { level: 9 }).length;
  process.stdout.write(
    `${name.padEnd(12)}${String(bytes.length).padStart(8)} bytes${String(zipped).padStart(8)} gzip\n`,
  );
  if (zipped > limit) throw new Error(`${name} is larger than ${limit} bytes gzip`);
}
