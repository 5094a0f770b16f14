/** Keeps the process alive while something is waited for that only timers of the clock would bring: those keep nothing alive. */
export function stayAlive(): Disposable {
  const timer = setInterval(() => undefined, 60_000)
  return { [Symbol.dispose]: () => clearInterval(timer) }
}
