import { Instance, Memory, Module, pageBytes, type WasmMemory } from '../flow/web-assembly.ts';

/** Shifts and masks of the loop below, as WebAssembly writes them. Source: WebAssembly core specification, 5.4. */
const get = (local: number) => [0x20, local];
const set = (local: number) => [0x21, local];
const tee = (local: number) => [0x22, local];
const xor64 = 0x85;
const [pointer, end, sum, second] = [0, 1, 2, 3] as const;

/** Numbers in groups of seven bits, lowest first. */
const leb = (value: number): number[] => (value < 64 ? [value] : [(value & 127) | 128, ...leb(value >>> 7)]);
const int32 = (value: number) => [0x41, ...leb(value)];
const load64 = (offset: number) => [0x29, 3, ...leb(offset)];

const tableBytes = 256 * 8;
/** Sixteen bytes at once: a table for each. */
const tables = 16;
const stepBytes = 16;

/** The entry of a table for one byte of a local. */
const entry = (tablesAt: number, local: number, byte: number, table: number) => [
  ...get(local),
  // The byte, times eight, the size of an entry.
  ...(byte === 0 ? [0xa7, ...int32(3), 0x74] : [0x42, ...leb(8 * byte - 3), 0x88, 0xa7]),
  ...int32(0x7f8),
  0x71,
  ...load64(tablesAt + table * tableBytes),
];
const allOf = (terms: readonly number[][]): number[] =>
  terms.length === 1
    ? (terms[0] ?? [])
    : [...allOf(terms.slice(0, terms.length / 2)), ...allOf(terms.slice(terms.length / 2)), xor64];
const entriesOf = (tablesAt: number, local: number, lastTable: number) =>
  allOf(Array.from({ length: 8 }, (_, byte) => entry(tablesAt, local, byte, lastTable - byte)));

const vector = (items: readonly number[][]) => [...leb(items.length), ...items.flat()];
const section = (id: number, content: readonly number[]) => [id, ...leb(content.length), ...content];
const sized = (content: readonly number[]) => [...leb(content.length), ...content];

/** `(pointer, end, sum) -> sum`, over a whole number of steps and one at least. */
const program = ({ memory, tablesAt }: Place): Uint8Array<ArrayBuffer> => {
  const pages = leb(memory.buffer.byteLength / pageBytes);
  const [int32Type, int64Type, block] = [0x7f, 0x7e, 0x40];
  const loop = [
    ...[0x03, block],
    ...[...get(pointer), ...load64(0), ...get(sum), xor64, ...set(sum)],
    ...[...get(pointer), ...load64(8), ...set(second)],
    ...[...entriesOf(tablesAt, second, 7), ...entriesOf(tablesAt, sum, 15), xor64, ...set(sum)],
    // Again, as long as the pointer is before the end.
    ...[...get(pointer), ...int32(stepBytes), 0x6a, ...tee(pointer), ...get(end), 0x49, 0x0d, 0, 0x0b],
    ...get(sum),
    0x0b,
  ];
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, vector([[0x60, 3, int32Type, int32Type, int64Type, 1, int64Type]])),
    // Shared, so with a limit.
    ...section(2, vector([[1, 0x6d, 1, 0x6d, 2, 3, ...pages, ...pages]])),
    ...section(3, vector([[0]])),
    ...section(7, vector([[1, 0x66, 0, 0]])),
    ...section(10, vector([sized([1, 1, int64Type, ...loop])])),
  ]);
};

/** Lowest bit first. Source: NVM Express NVM Command Set specification, 5.2.1.3.4. */
const polynomial = 0x9a6c9329ac4bc9b5n;

/** A memory, and where in it the tables may stand. */
interface Place {
  readonly memory: WasmMemory;
  readonly tablesAt: number;
}

const fillTables = ({ memory, tablesAt }: Place): BigUint64Array => {
  const table = new BigUint64Array(memory.buffer, tablesAt, tables * 256);
  for (let i = 0; i < 256; i++) {
    let value = BigInt(i);
    for (let bit = 0; bit < 8; bit++) value = value & 1n ? (value >> 1n) ^ polynomial : value >> 1n;
    table[i] = value;
  }
  for (let i = 256; i < table.length; i++) {
    const before = table[i - 256] ?? 0n;
    table[i] = (table[Number(before & 255n)] ?? 0n) ^ (before >> 8n);
  }
  return table;
};

/** The sum over a chunk and all before it. */
export type Crc64 = (chunk: Buffer, before?: bigint) => bigint;

type Steps = (pointer: number, end: number, sum: bigint) => bigint;

/** The bytes of a chunk that are no whole step. */
const rest = (table: BigUint64Array, chunk: Buffer, from: number, sum: bigint): bigint => {
  let sumNow = sum;
  for (let at = from; at < chunk.length; at++)
    sumNow = (sumNow >> 8n) ^ (table[Number(sumNow & 255n) ^ (chunk[at] ?? 0)] ?? 0n);
  return sumNow;
};

/** Over chunks that stand in a shared memory of WebAssembly, which has a page for the tables: they are not copied. */
export const crc64In = (memory: WasmMemory, tablesAt: number): Crc64 => {
  const place = { memory, tablesAt };
  const instance = new Instance(new Module(program(place)), { m: { m: memory } });
  const steps = instance.exports['f'] as Steps;
  const table = fillTables(place);
  return (chunk, before = 0n) => {
    const whole = chunk.length - (chunk.length % stepBytes);
    const { byteOffset: at } = chunk;
    const sum = whole === 0 ? ~before : steps(at, at + whole, ~before);
    return BigInt.asUintN(64, ~rest(table, chunk, whole, BigInt.asUintN(64, sum)));
  };
};

/** What a chunk is copied to, a part at a time. */
const copiedBytes = pageBytes;
const start = () => {
  const memory = new Memory({ initial: 2, maximum: 2, shared: true });
  return { bytes: Buffer.from(memory.buffer, 0, copiedBytes), sumOf: crc64In(memory, copiedBytes) };
};
let started: ReturnType<typeof start> | undefined;

/**
 * CRC-64/NVME, which S3 keeps of every object, piece by piece. As a few lines of WebAssembly, since what npm has takes longer than
 * the MD5 that it shall spare: a GB takes 0.7 s, of hash-wasm 1.0, of OpenSSL's MD5 1.6 (measured on one core of a busy machine).
 */
export const crc64: Crc64 = (chunk, before = 0n) => {
  started ??= start();
  const { bytes, sumOf } = started;
  let sum = before;
  for (let at = 0; at < chunk.length;) {
    const count = chunk.copy(bytes, 0, at);
    sum = sumOf(bytes.subarray(0, count), sum);
    at += count;
  }
  return sum;
};
