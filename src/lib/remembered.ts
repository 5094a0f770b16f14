/**
 * What a function has made of the texts it saw last. Texts come from outside, so there is room for a bounded number of them, none of them long;
 * when it is used up it starts afresh, which costs time but no memory.
 */

export interface Room {
  /** Texts. */
  readonly most: number
  /** Characters; what is longer is worked out each time. */
  readonly longest: number
}

export class Remembered<Value> {
  readonly #known = new Map<string, Value>()
  readonly #make: (text: string) => Value
  readonly #room: Room

  /** `make` says of one text always the same. An `undefined` of its is not remembered. */
  constructor(make: (text: string) => Value, room: Room) {
    this.#make = make
    this.#room = room
  }

  of(text: string): Value {
    const known = this.#known.get(text)
    if (known !== undefined) return known
    const value = this.#make(text)
    if (value !== undefined && text.length <= this.#room.longest) {
      if (this.#known.size >= this.#room.most) this.#known.clear()
      this.#known.set(text, value)
    }
    return value
  }
}
