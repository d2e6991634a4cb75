// Budgets on what a browser fetches before anyone agreed to anything, gzipped as the relay sends it.
import path from "node:path";
import { filesBeforeConsent } from "./tools/check/page-weight.ts";

const dist = path.join(import.meta.dirname, "dist");

export default [
  { name: "page shell", path: filesBeforeConsent(dist, ["index.html"]), limit: "350 kB", gzip: true },
  { name: "widget", path: filesBeforeConsent(dist, ["widget.js", "widget.html"]), limit: "30 kB", gzip: true },
];
