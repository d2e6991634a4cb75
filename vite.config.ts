// Builds the site into dist/: the page, the widget's frame, and widget.js and manyhands.js, whose names never change.
import { createReadStream, createWriteStream } from "node:fs";
import { readdir, stat, unlink } from "node:fs/promises";
import { join, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import { constants, createGzip } from "node:zlib";
import { defineConfig, type Plugin } from "vite";

const COMPRESSED = /\.(?:js|mjs|css|html|svg|wasm|json|webmanifest|txt)$/;
/** Smaller files gain nothing from a compressed copy. */
const COMPRESS_FROM_BYTES = 512;
/** Entries whose names other sites and programs rely on. */
const STABLE = new Set(["widget", "manyhands"]);
/** A copy that saves less than a twentieth is not worth its space. */
const COMPRESS_RATIO = 0.95;
/**
 * Modules that the page and the widget load at once. They are built into one file: without that, chunks that come later
 * (the code of each kind of task) share some of them, and the first load is cut into more and smaller files.
 */
const FIRST_LOAD =
  /node_modules[\\/]valibot|src[\\/](shared[\\/](abort|backoff|clock|errors|ids|reputation|recent-map)|route[\\/]plan-model|model[\\/]most-memory)\.ts|preload-helper/;

async function compress(path: string): Promise<void> {
  const { size } = await stat(path);
  if (size < COMPRESS_FROM_BYTES) return;
  await pipeline(createReadStream(path), createGzip({ level: constants.Z_BEST_COMPRESSION }), createWriteStream(`${path}.gz`));
  if ((await stat(`${path}.gz`)).size > size * COMPRESS_RATIO) await unlink(`${path}.gz`);
}

/** Writes `name.gz` beside each compressible file. The relay serves it to browsers that accept gzip. */
function precompress(): Plugin {
  let outDir = "dist";
  return {
    name: "precompress",
    apply: "build",
    configResolved(config) {
      outDir = resolve(config.root, config.build.outDir);
    },
    async closeBundle() {
      const entries = await readdir(outDir, { recursive: true, withFileTypes: true });
      for (const entry of entries) if (entry.isFile() && COMPRESSED.test(entry.name)) await compress(join(entry.parentPath, entry.name));
    },
  };
}

/** Serves the embed script as /widget.js in development too. */
function widgetInDevelopment(): Plugin {
  return {
    name: "widget-in-development",
    configureServer(server) {
      server.middlewares.use((request, _response, next) => {
        if (request.url?.split("?")[0] === "/widget.js") request.url = "/src/widget.ts";
        next();
      });
    },
  };
}

export default defineConfig({
  // Relative, so that the site works at any origin and in any folder.
  base: "./",
  plugins: [precompress(), widgetInDevelopment()],
  build: {
    outDir: "dist",
    target: ["chrome123", "edge123", "firefox128", "safari17.5"],
    sourcemap: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // Minifying removes the libraries' notices from the code; this file has them.
    license: { fileName: "licences.txt" },
    rolldownOptions: {
      input: { page: "index.html", frame: "widget.html", widget: "src/widget.ts", manyhands: "src/manyhands.ts" },
      // Programs import what the entry `manyhands` exports.
      preserveEntrySignatures: "exports-only",
      output: {
        entryFileNames: ({ name }) => (STABLE.has(name) ? `${name}.js` : "assets/[name]-[hash].js"),
        codeSplitting: { groups: [{ name: "first", test: FIRST_LOAD }] },
      },
    },
  },
  worker: { format: "es" },
  optimizeDeps: { exclude: ["onnxruntime-web"] },
});
