/** `URL.parse`, which has come with Node 22.1, for what runs by any Node 22. `undefined`: it is no URL. */
export function parseUrl(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined
}
