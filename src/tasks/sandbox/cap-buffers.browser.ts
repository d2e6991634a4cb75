// The cap on what a program's buffers hold. They lie outside the engine's own heap, where nothing else bounds them. Like the rest of
// the sandbox's worker it is sent as text, so it stands alone: nothing outside the function is used.

export interface BufferAccount {
  /** To be called at the end of a turn; answers whether the next one has to wait for a turn of the worker's loop. */
  turn(): boolean;
}

/**
 * Makes every constructor and method in `scope` by which a program gets a buffer count its bytes, and throw a RangeError where
 * those that it still has, with the new one, are more than `memoryBytes`. To be called a turn before the program begins.
 *
 * No worker can ask how much memory it uses, and nothing is told of dead objects before a turn ends. But a weak reference that
 * was made in an earlier turn may be read at any time, once: what it finds is then kept until the turn ends. So each few buffers
 * get a string of beads that were made before, kept by those buffers alone (as a WeakMap's value). Where the count is over
 * the cap the engine is made to collect, and buffers whose next bead is gone are taken off. When all beads of a group were seen,
 * or none are left in stock, its buffers count until the turn ends.
 */
export function capBuffers(scope: object, memoryBytes: number): BufferAccount {
  /** Buffers of up to this many bytes lie in the engine's heap, which has a limit of its own. */
  const SMALL_BYTES = 64;
  /** Groups in one turn, looks at one, and the bytes of a group: a program may drop 100 times its memory in a turn. */
  const GROUPS = 2048;
  const LOOKS = 8;
  /** Looks before a program is refused a buffer: now and then one is still held by a register, or by marking that was under way. */
  const TRIES = 2;
  /** Times the cap that is let through while the engine will not collect, and bytes that hurt nobody: a busy machine collects late. */
  const UNKNOWN = 4;
  const HARMLESS_BYTES = 64 * 1024 * 1024;
  const GROUP_BYTES = memoryBytes / 16;
  /** Bytes that are asked for to have the engine collect; how many such buffers are kept at once; how often for one look, and in a turn. */
  const PUSH_BYTES = 64 * 1024 * 1024;
  const PUSHED = 2;
  const PUSHES = 32;
  const PROBES = 4096;
  const KINDS = "Int8 Uint8 Uint8Clamped Int16 Uint16 Int32 Uint32 BigInt64 BigUint64 Float32 Float64".split(" ");

  interface Group {
    readonly looks: readonly WeakRef<object>[];
    next: number;
    bytes: number;
  }
  interface Stock {
    readonly beads: object;
    readonly looks: readonly WeakRef<object>[];
  }
  // As they are now: the program may put others in their place.
  const { Reflect, Object, Proxy, RangeError, WeakMap, WeakRef, ArrayBuffer, Number, isFinite } = globalThis;
  const { apply, construct, defineProperty, deleteProperty, get } = Reflect;
  const { max } = globalThis.Math;
  const views = Reflect.getPrototypeOf(Uint8Array.prototype) as object; // what all of them share
  // oxlint-disable-next-line typescript/unbound-method -- it is applied to each view
  const getterOf = (name: string) => Object.getOwnPropertyDescriptor(views, name)?.get as () => unknown;
  const [bufferOf, bytesOf] = [getterOf("buffer"), getterOf("byteLength")];
  // oxlint-disable-next-line typescript/unbound-method -- it is applied to each reference
  const { deref } = WeakRef.prototype;
  const kept = new WeakMap<object, object>();
  const keep = kept.set.bind(kept);

  let total = 0;
  let groups: Group[] = [];
  let count = 0;
  let current: { readonly group: Group; readonly beads: object | undefined } | undefined;
  const stock: (Stock | undefined)[] = [];
  let stocked = 0;
  const probes: ({ readonly held: object; readonly look: WeakRef<object> } | undefined)[] = [];
  let probed = 0;

  const refill = (): void => {
    for (; probed < PROBES; probed++) {
      const held = {};
      probes[probed] = { held, look: new WeakRef(held) };
    }
    for (; stocked < GROUPS; stocked++) {
      const beads: object[] = [];
      const looks: WeakRef<object>[] = [];
      for (let n = 0; n < LOOKS; n++) looks[n] = new WeakRef((beads[n] = {}));
      stock[stocked] = { beads, looks };
    }
  };

  /**
   * It collects when much lies outside its heap; memory that nobody writes to costs nothing. What is dropped at once goes with the
   * youngest objects, and the rest of the heap is not looked at: so each buffer is kept until some more were made. A probe that dies
   * says that the whole was collected. Twice: what was made while it marked lives through the first.
   */
  const collect = (): boolean => {
    const pushed: object[] = [];
    for (let n = 0, times = 0; n < PUSHES && probed > 0; n++) {
      const probe = probes[--probed]?.look;
      probes[probed] = undefined; // nothing holds its object from now on
      pushed[n % PUSHED] = construct(ArrayBuffer, [PUSH_BYTES]) as object;
      if (probe !== undefined && apply(deref, probe, []) === undefined && ++times === 2) return true;
    }
    return false;
  };

  /** Takes those off the count that are gone; false where the engine did not collect, so that nothing is known. */
  const look = (): boolean => {
    if (!collect()) return false;
    current = undefined;
    const living: Group[] = [];
    let alive = 0;
    total = 0;
    for (let at = 0; at < count; at++) {
      const group = groups[at] as Group; // within the count
      const next = group.looks[group.next++];
      if (next !== undefined && apply(deref, next, []) === undefined) continue;
      living[alive++] = group;
      total += group.bytes;
    }
    groups = living;
    count = alive;
    return true;
  };

  const room = (bytes: number): void => {
    let isKnown = false;
    for (let n = 0; n < TRIES; n++) {
      if (total + bytes <= memoryBytes) return;
      isKnown = look() || isKnown;
    }
    const most = isKnown ? memoryBytes : max(UNKNOWN * memoryBytes, HARMLESS_BYTES);
    if (total + bytes > most) throw new RangeError("the program's buffers are over the task's memory");
  };

  const charge = (buffer: object, bytes: number): void => {
    if (bytes <= SMALL_BYTES) return;
    if (current === undefined) {
      const taken = stocked > 0 ? stock[--stocked] : undefined;
      stock[stocked] = undefined; // from now on its buffers alone keep it
      const group: Group = { looks: taken?.looks ?? [], next: 0, bytes: 0 };
      groups[count++] = group;
      current = { group, beads: taken?.beads };
    }
    if (current.beads !== undefined) keep(buffer, current.beads);
    current.group.bytes += bytes;
    total += bytes;
    if (current.group.bytes > GROUP_BYTES) current = undefined;
    room(0);
  };
  const chargeView = (view: object, given?: unknown): void => {
    const buffer = apply(bufferOf, view, []) as object; // the engine's own getters
    if (buffer !== given) charge(buffer, apply(bytesOf, view, []) as number);
  };

  const size = (value: unknown): number => {
    const number = Number(value);
    return isFinite(number) ? number : 0;
  };
  const replace = (name: string, original: { readonly prototype: object }, wrapped: object): void => {
    defineProperty(scope, name, { value: wrapped, writable: true, configurable: true });
    defineProperty(original.prototype, "constructor", { value: wrapped });
  };

  replace(
    "ArrayBuffer",
    ArrayBuffer,
    new Proxy(ArrayBuffer, {
      construct(target, [length, options]: [unknown, { maxByteLength?: unknown } | undefined], self) {
        // Each is read once: what is asked for twice may answer twice.
        const most = options === undefined ? undefined : size(options.maxByteLength);
        const given = Number(length);
        const bytes = max(size(given), most ?? 0);
        room(bytes);
        const made = construct(target, most === undefined ? [given] : [given, { maxByteLength: most }], self) as object;
        charge(made, bytes);
        return made;
      },
    }),
  );
  for (const name of ["transfer", "transferToFixedLength", "transferToImmutable", "sliceToImmutable"])
    deleteProperty(ArrayBuffer.prototype, name); // a copy may be as large as it says

  for (const kind of KINDS) {
    const original: unknown = get(scope, `${kind}Array`);
    if (typeof original !== "function") continue;
    const width = size(get(original, "BYTES_PER_ELEMENT"));
    for (const name of ["fromBase64", "fromHex"]) deleteProperty(original, name);
    const wrapped = new Proxy(original, {
      construct(target, args: unknown[], self) {
        const [first] = args;
        const isLength = typeof first !== "object" || first === null;
        const length = isLength ? Number(first ?? 0) : size(get(first, "length")); // a buffer has none, and is there already
        if (width * length > SMALL_BYTES) room(width * length);
        const made = construct(target, isLength ? [length] : args, self) as object;
        chargeView(made, first);
        return made;
      },
    });
    replace(`${kind}Array`, original, wrapped);
  }
  for (const name of ["toSorted", "toReversed", "with"]) {
    const method: unknown = get(views, name);
    if (typeof method !== "function") continue;
    // They copy by the original constructor, whatever stands in the prototype.
    const counted = function (this: object, ...args: unknown[]): unknown {
      room(apply(bytesOf, this, []) as number);
      const made = apply(method, this, args) as object;
      chargeView(made);
      return made;
    };
    defineProperty(views, name, { value: counted, writable: true, configurable: true });
  }
  refill();

  return {
    turn(): boolean {
      if (count === 0) return false;
      refill();
      return true;
    },
  };
}
