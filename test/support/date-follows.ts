/**
 * Makes `Date` of this process follow a clock, for libraries that read the time themselves: the embedded identity provider dates its tokens so.
 * Without it a fake clock and a token's dates would be years apart.
 */
import type { Clock } from '#lib/clock.ts'

export function dateFollows(clock: Clock): Disposable {
  const real = globalThis.Date
  globalThis.Date = new Proxy(real, {
    construct: (target, given, newTarget) =>
      Reflect.construct(target, given.length === 0 ? [clock.now()] : given, newTarget),
    apply: () => new real(clock.now()).toString(),
    get: (target, key) => (key === 'now' ? () => clock.now() : Reflect.get(target, key)),
  })
  return {
    [Symbol.dispose]() {
      globalThis.Date = real
    },
  }
}
