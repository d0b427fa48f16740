/** Serves the gallery of example states, built anew at each load: `node dev/gallery.mjs [port]`. */
import { fileURLToPath } from "node:url";
import { context } from "esbuild";

const gallery = await context({
  absWorkingDir: fileURLToPath(new URL("..", import.meta.url)),
  entryPoints: { gallery: "dev/gallery.tsx", styles: "src/styles.css" },
  bundle: true,
  outdir: "dev",
  write: false,
  jsx: "automatic",
  jsxImportSource: "preact",
});
const { port } = await gallery.serve({
  servedir: "dev",
  host: "127.0.0.1",
  port: Number(process.argv[2] ?? 8899),
});
process.stdout.write(`http://127.0.0.1:${port}/?width=640\n`);
