/**
 * What is there now, where members come and go thousands of times a second and leave soon. A `Set` is no place for them: it grows a new table every
 * few of them, each table that it left refers to the next, and once one of those is old enough that only a full collection finds it (V8 promotes
 * what it has met twice), all later ones and what was in them stay until then as well. Here nothing refers to what has left.
 */
export class Bag<Member> {
  readonly #members: Member[] = []

  get size(): number {
    return this.#members.length
  }

  has(member: Member): boolean {
    return this.#members.includes(member)
  }

  /** A member is added once. */
  add(member: Member): void {
    this.#members.push(member)
  }

  /** `false`: it was not there. Found at once where it came late, as who leaves soon did; else in the time that looking at all of them takes. */
  delete(member: Member): boolean {
    const index = this.#members.lastIndexOf(member)
    if (index === -1) return false
    const last = this.#members.pop()
    if (last !== undefined && index < this.#members.length) this.#members[index] = last
    return true
  }

  /** Those of this moment, in no order. */
  all(): Member[] {
    return [...this.#members]
  }
}
