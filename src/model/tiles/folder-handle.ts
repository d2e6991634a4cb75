// A folder on this device that a person opened to the page: the part of the platform's
// FileSystemDirectoryHandle that is used.

export interface FolderHandle {
  readonly name: string;
  /** Rejects if there is no folder of that name, or if it may not be read any more. */
  getDirectoryHandle(name: string): Promise<FolderHandle>;
  getFileHandle(name: string): Promise<{ getFile(): Promise<FolderFile> }>;
}

export interface FolderFile {
  readonly size: number;
  slice(start: number, end: number): { arrayBuffer(): Promise<ArrayBuffer> };
}
