/** Exceptions that nobody catches are kept here until it is disposed, and fail nothing meanwhile. */
export function uncaught(): Disposable & { readonly thrown: readonly unknown[] } {
  const others = process.listeners('uncaughtException')
  const thrown: unknown[] = []
  process.removeAllListeners('uncaughtException').on('uncaughtException', (error) => thrown.push(error))
  return {
    thrown,
    [Symbol.dispose]() {
      process.removeAllListeners('uncaughtException')
      for (const listener of others) process.on('uncaughtException', listener)
    },
  }
}
