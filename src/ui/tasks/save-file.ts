// Saves a file through the browser's downloads, for results of jobs.

/** Milliseconds until the file's object URL is revoked: downloads begin at once. */
const HELD_MS = 60_000;

export function saveFile(file: Blob, name: string): void {
  const url = URL.createObjectURL(file);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), HELD_MS);
}
