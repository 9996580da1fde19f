/** Memory that WebAssembly sees; a shared one can be given to other threads. */
export interface WasmMemory {
  readonly buffer: ArrayBuffer | SharedArrayBuffer;
}

interface Api {
  readonly Memory: new (pages: {
    readonly initial: number;
    readonly maximum: number;
    readonly shared: boolean;
  }) => WasmMemory;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: Readonly<Record<string, unknown>> };
}

/** What is used of it; Node's own types leave it to those of browsers. */
export const { Memory, Module, Instance } = (globalThis as unknown as { readonly WebAssembly: Api }).WebAssembly;

/** Size of a page of its memory. Source: WebAssembly core specification, 4.2.8. */
export const pageBytes = 64 * 1024;
