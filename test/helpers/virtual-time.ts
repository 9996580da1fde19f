/** Time that passes when nothing else is left to do: a simulation of days takes as long as its events. */
export class VirtualTime {
  nowMs = 0;
  readonly #due: { readonly atMs: number; readonly act: () => void }[] = [];

  /** Do something later; of one moment in the order they were given. */
  after(ms: number, act: () => void): void {
    const atMs = this.nowMs + ms;
    let low = 0;
    let high = this.#due.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#due[middle]?.atMs ?? 0) <= atMs) low = middle + 1;
      else high = middle;
    }
    this.#due.splice(low, 0, { atMs, act });
  }

  sleep(ms: number): Promise<void> {
    return new Promise(resolve => {
      this.after(ms, resolve);
    });
  }

  /** Let time pass until nothing is due any more. `look` is called each time that everybody waits. */
  async run(look: () => void = () => undefined): Promise<void> {
    for (;;) {
      await new Promise(resolve => setImmediate(resolve));
      look();
      const next = this.#due.shift();
      if (!next) return;
      this.nowMs = next.atMs;
      next.act();
      while (this.#due[0]?.atMs === this.nowMs) this.#due.shift()?.act();
    }
  }
}
